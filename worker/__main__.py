"""Entry point of `python -m worker`."""

from stripwatch.worker.common.process.entry_point import run_main

run_main("stripwatch.worker.cli")
