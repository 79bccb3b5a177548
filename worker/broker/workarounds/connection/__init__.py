"""Faults of kafka-python that every client has."""
