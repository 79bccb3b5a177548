"""Soak test: one worker at 80 % of its capacity for a long time. `python -m tests.soak --help` describes it."""
