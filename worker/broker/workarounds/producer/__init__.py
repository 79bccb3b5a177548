"""Faults of kafka-python's producer."""
