"""Faults of kafka-python's consumer."""
