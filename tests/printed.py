"""What people see of a command: its tables as text, and its next steps as commands that the program accepts."""

import io
import re
import shlex
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

import stripwatch.cli
from stripwatch.worker.common.terminal.outcome import Outcome, print_outcome
from stripwatch.worker.common.terminal.tables import print_table

_NEXT = re.compile(r"^next: (.*)$", re.MULTILINE)


def as_printed(shown: Outcome | Table, width: int = 80) -> str:
    """Return what a console of this width shows."""
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    if isinstance(shown, Outcome):
        print_outcome(shown, console)
    else:
        print_table(shown, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def next_steps(text: str) -> list[str]:
    """Return the suggested commands in the output of a command. Fails unless there is one, and each one parses."""
    found = _NEXT.findall(text)
    assert found, text
    for command in found:
        check_command(command)
    return found


def check_command(line: str) -> dict[str, Any]:
    """Parse a command line as the program does, without running it, and return its parameters."""
    program, *words = shlex.split(line)
    assert program == "stripwatch"
    group: Any = typer.main.get_group(stripwatch.cli.app)
    while isinstance(group, TyperGroup):
        name, *words = words
        group = group.get_command(typer.Context(group), name)
        assert group is not None, line
    context = group.make_context(name, words)
    if "--" not in words and not group.context_settings.get("allow_extra_args"):
        assert not context.args, line
    return dict(context.params)
