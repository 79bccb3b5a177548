"""Faults of kafka-python, one module each: the version, the symptom and what is done about it."""
