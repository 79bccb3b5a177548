"""Entry point of `python -m export`."""

from stripwatch.worker.common.process.entry_point import run_main

run_main("stripwatch.export.cli")
