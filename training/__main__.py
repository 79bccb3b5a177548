"""Entry point of `python -m training`."""

from stripwatch.worker.common.process.entry_point import run_main

run_main("stripwatch.training.cli")
