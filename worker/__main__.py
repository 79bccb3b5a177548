"""Entry point of `python -m worker`."""

from stripwatch.worker.cli import main

main()
