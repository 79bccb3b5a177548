"""Output of commands: messages and progress for people on stderr, JSON for programs on stdout."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import Progress

from stripwatch.worker.common.path_text import encodable
from stripwatch.worker.common.terminal.facts import facts_of, facts_table
from stripwatch.worker.common.terminal.progress import ProgressLines, progress_bar

STDERR = Console(stderr=True)


def say(text: str) -> None:
    """Print a line on stderr, without wrapping, and without interpreting brackets as rich markup."""
    STDERR.print(encodable(text), soft_wrap=True, highlight=False, markup=False)


def print_json(summary: Mapping[str, Any]) -> None:
    """Print a JSON object as one line on stdout."""
    print(json.dumps(encodable(dict(summary)), allow_nan=False), flush=True)


def print_summary(summary: Mapping[str, Any]) -> None:
    """Print the result of a command: one JSON object as the last line on stdout, or a table if stdout is a terminal."""
    if sys.stdout.isatty():
        Console(markup=False, highlight=False).print(facts_table(facts_of(summary)))
    else:
        print_json(summary)


def new_progress() -> Progress:
    """Return the progress of long work on stderr: a bar with the remaining time, or lines if it is not a terminal."""
    return progress_bar(STDERR) if STDERR.is_terminal else ProgressLines(say, STDERR)
