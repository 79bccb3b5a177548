"""The `stripwatch` command: the worker's commands and the groups `train` and `export`."""

from stripwatch.worker import cli as worker
from stripwatch.worker.common.terminal.command_line import PROGRAM, LazyCommand, new_app, run_app

COMMANDS = (
    *worker.COMMANDS,
    LazyCommand(
        "train",
        "stripwatch.training.cli:app",
        "Train, evaluate and compare classifiers for strip images, and prepare their data.",
    ),
    LazyCommand(
        "export",
        "stripwatch.export.cli:app",
        "Export trained models as bundles, and inspect, compare, measure and promote bundles.",
    ),
)
app = new_app(worker.HELP, COMMANDS, worker.RENAMED)


def main() -> None:
    """Run the command. Entry point of the console script."""
    run_app(app, PROGRAM)
