"""Entry point of `python -m training`."""

from stripwatch.training.cli import main

main()
