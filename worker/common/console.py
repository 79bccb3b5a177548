"""What commands write for a person and for a program: lines and progress bars on stderr, JSON on stdout."""

import json
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stripwatch.worker.common.path_text import encodable

STDERR = Console(stderr=True)


def say(text: str) -> None:
    """A line for a person, on stderr, as it is: not wrapped, and no bracket in a name taken for a style."""
    STDERR.print(encodable(text), soft_wrap=True, highlight=False, markup=False)


def print_summary(summary: dict[str, Any]) -> None:
    """The last line on stdout of a command that measures or counts: one JSON object."""
    print(json.dumps(encodable(summary), allow_nan=False), flush=True)


def new_progress() -> Progress:
    """A progress bar on stderr, with the time left; silent where stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),  # a description may hold a name with brackets
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=STDERR,
        disable=not STDERR.is_terminal,
    )
