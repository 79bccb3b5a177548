"""The worker as a process: wiring, readiness, supervision, auto-tuning, and the check before a start."""
