"""Faults of kafka-python that affect every kind of client."""
