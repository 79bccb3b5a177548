"""Entry point of `python -m stripwatch`."""

from stripwatch.cli import main

main()
