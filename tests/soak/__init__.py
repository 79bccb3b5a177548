"""One worker for a long time at 80 % of what it can do. `python -m tests.soak --help` says how to run it."""
