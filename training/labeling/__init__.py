"""Labelling of review frames: from Kafka through a person to a data set."""
