"""The result of a command: a short table and the next step for people, one JSON object for programs."""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from stripwatch.worker.common.atomic_files import atomic_write
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import encodable, path_text
from stripwatch.worker.common.terminal.console import print_json
from stripwatch.worker.common.terminal.facts import facts_of, facts_table
from stripwatch.worker.common.terminal.tables import print_table, print_trimmed

STDOUT_NAME = "-"


def check_json_file(path: Path | None) -> Path | None:
    """Raise InputError before any work is done if the JSON file cannot be written, or could be a file of other kind."""
    if path is None or str(path) == STDOUT_NAME:
        return path
    if path.is_dir():
        raise InputError(f"--json {path_text(path)} is a folder; name a file, or - for stdout")
    if not path.absolute().parent.is_dir():
        raise InputError(f"cannot write {path_text(path)}: the folder {path_text(path.parent)} does not exist")
    if path.exists() and path.suffix != ".json":
        raise InputError(f"--json {path_text(path)} exists and is replaced only if its name ends with .json")
    return path


JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        callback=check_json_file,
        help="Write the result as one JSON object to this file, or to stdout for -. Without this option, JSON goes to "
        "stdout unless stdout is a terminal.",
    ),
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a command.

    summary: the JSON object. facts: texts of the table by name; None takes them from the summary. tables: printed below
    the facts. listing: the tables are what the command is called for, so that stdout gets them also in a pipe, before
    the JSON object. next_steps: commands to run next, from `command_text`. files: files to open next, by name. notes:
    lines below the tables.
    """

    summary: Mapping[str, Any]
    facts: Mapping[str, str] | None = None
    tables: Sequence[Table] = ()
    next_steps: Sequence[str] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    listing: bool = False
    notes: Sequence[str] = ()


def finish(outcome: Outcome, json_file: Path | None = None) -> None:
    """Print the result of a command.

    A terminal gets the tables and the next steps. Otherwise stdout gets one JSON object as its last line, and the
    tables go to stderr unless the command is a listing. json_file: value of --json; a file gets the JSON object, and
    stdout the tables.
    """
    if json_file is not None and str(json_file) != STDOUT_NAME:
        text = json.dumps(encodable(dict(outcome.summary)), allow_nan=False, indent=1)
        atomic_write(json_file, f"{text}\n".encode())
        print_outcome(outcome, Console(markup=False, highlight=False))
    elif json_file is not None:
        print_json(dict(outcome.summary))
    elif sys.stdout.isatty():
        print_outcome(outcome, Console(markup=False, highlight=False))
    else:
        print_outcome(outcome, Console(stderr=not outcome.listing, markup=False, highlight=False))
        print_json(dict(outcome.summary))


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Print facts, tables, next steps and files of a result for people."""
    facts = facts_of(outcome.summary) if outcome.facts is None else outcome.facts
    if facts:
        print_trimmed(facts_table(facts), console)
    for table in outcome.tables:
        console.print()
        print_table(table, console)
    if outcome.notes:
        console.print()
    for note in outcome.notes:
        console.print(encodable(note))
    lines = [f"next: {step}" for step in outcome.next_steps]
    lines += [f"{name}: {path_text(path)}" for name, path in outcome.files.items()]
    if lines and (facts or outcome.tables):
        console.print()
    for line in lines:  # not wrapped, so that a command can be copied
        console.print(encodable(line), soft_wrap=True)


def command_text(*words: str | os.PathLike[str]) -> str:
    """Return a command line of this program that can be pasted into a shell.

    words: such as "train", "evaluate", Path("runs/my first"). A path that begins with "-" gets the prefix "./", so that
    it is not taken for an option.
    """
    return quoted_words(["stripwatch", *words])


def quoted_words(words: Sequence[str | os.PathLike[str]]) -> str:
    """Return words as one line that a shell splits into the same words."""
    return " ".join(map(_shell_word, words))


def _shell_word(word: str | os.PathLike[str]) -> str:
    text = os.fspath(word)
    if isinstance(word, os.PathLike) and text.startswith("-"):
        text = f"./{text}"
    if path_text(text) == text:
        return shlex.quote(text)
    quoted = "".join(f"\\{each}" if each in "\\'" else path_text(each) for each in text)
    return f"$'{quoted}'"  # bash and zsh replace \xNN by the byte
