"""Output of commands: messages and progress for people on stderr, JSON for programs on stdout."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.progress import Progress

from stripwatch.worker.common.path_text import encodable
from stripwatch.worker.common.terminal.progress import ProgressLines, progress_bar

STDERR = Console(stderr=True)


def say(text: str) -> None:
    """Print a line on stderr, without wrapping, and without interpreting brackets as rich markup."""
    STDERR.print(encodable(text), soft_wrap=True, highlight=False, markup=False)


def print_summary(summary: dict[str, Any]) -> None:
    """Print the result of a command as one JSON object, the last line on stdout."""
    print(json.dumps(encodable(summary), allow_nan=False), file=sys.stdout, flush=True)


def new_progress() -> Progress:
    """Return the progress of long work on stderr: a bar with the remaining time, or lines if it is not a terminal."""
    return progress_bar(STDERR) if STDERR.is_terminal else ProgressLines(say, STDERR)
