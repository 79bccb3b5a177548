"""`python -m worker`."""

from stripwatch.worker.cli import main

main()
