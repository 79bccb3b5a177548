"""Kafka clients: consumers, producers, administration, TLS."""
