"""Output of commands: messages and progress bars for people on stderr, JSON for programs on stdout."""

import json
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from stripwatch.worker.common.path_text import encodable

STDERR = Console(stderr=True)


def say(text: str) -> None:
    """Print a line on stderr, without wrapping, and without interpreting brackets as rich markup."""
    STDERR.print(encodable(text), soft_wrap=True, highlight=False, markup=False)


def print_summary(summary: dict[str, Any]) -> None:
    """Print the result of a command as one JSON object, the last line on stdout."""
    print(json.dumps(encodable(summary), allow_nan=False), flush=True)


def print_unfolded(table: Table, console: Console) -> None:
    """Print a table at the width that its cells need: in 80 columns, a wide one would have one letter per line."""
    unlimited = console.options.update(max_width=10_000)
    usual = console.width
    console.width = max(usual, Measurement.get(console, unlimited, table).maximum)
    console.print(table)
    console.width = usual


def new_progress() -> Progress:
    """Return a progress bar on stderr with the remaining time. It is disabled if stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),  # a name in the description may have brackets
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=STDERR,
        disable=not STDERR.is_terminal,
    )
