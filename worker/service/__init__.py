"""The worker as a process: wiring, readiness, supervision, tuning, and the check before a start."""
