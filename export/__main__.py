"""Entry point of `python -m export`."""

from stripwatch.export.cli import main

main()
