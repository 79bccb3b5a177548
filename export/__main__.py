"""`python -m export`."""

from stripwatch.export.cli import main

main()
