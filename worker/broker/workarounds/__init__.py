"""Faults of kafka-python, one module each. No other module touches its private attributes.

The docstring of each module states the fault in one sentence, then the version, the symptom, the workaround, and the
tests that show the fault. When such a test fails, kafka-python has fixed the fault, and the
workaround can be removed.
"""
