"""Entry point of the console script and of `python -m stripwatch`."""

from stripwatch.worker.common.process.entry_point import run_main


def main() -> None:
    """Run the command `stripwatch`."""
    run_main("stripwatch.cli")


if __name__ == "__main__":
    main()
