"""Faults of kafka-python, one module each. Only here are its private parts touched.

The docstring of each module begins with the fault in one sentence, then says in fields: the version, the symptom, the
workaround, and the tests that show the fault. When such a test fails the fault is gone, and so can be the workaround.
"""
