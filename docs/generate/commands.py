"""The page of all commands, made from the typer application.

`typer stripwatch.cli utils docs` was tried first. It does not fit: it shortens the help of a group's commands, gives
nested groups an empty name since they are loaded on demand, and prints examples as running text. It has no exit codes.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import stripwatch
from docs.generate.markdown import code, page, paragraph, table
from stripwatch.cli import app
from stripwatch.worker.common.terminal.command_line import PROGRAM

_HEAD = """# Commands

Every command of `stripwatch` with its arguments, options and exit codes. `stripwatch COMMAND --help` prints the same
text. A command that counts something prints a JSON object as its last line on stdout; messages go to stderr.

A command that reads settings also accepts [settings as options](settings.md#how-settings-are-read), such as
`--evidence.enabled true`. They are not listed here.

An option marked *repeatable* may be given more than once. Every command can end with exit code 0 (success), 1 (an
error in Stripwatch itself, with a traceback), 2 (invalid usage or settings) and 130 (interrupted). Further
[exit codes](exit-codes.md) are listed per command.
"""
# By command: the exit codes besides those that every command has.
EXIT_CODES: dict[str, tuple[int, ...]] = {
    "run": (3, 4, 5, 6, 10, 11, 12),
    "check": (3, 4, 5, 6),
    "inspect": (3, 5, 6),
    "view": (4, 6),
    "report": (4, 6),
    "coils": (4, 6),
    "topics": (4, 6),
    "rejects list": (4, 6),
    "rejects replay": (4, 6),
    "config show": (6,),
    "config migrate": (6,),
    "schemas": (6,),
    "demo": (3, 4, 6, 9),
    "broker": (4,),
    "bench": (3, 4, 5, 6, 9),
    "simulate": (4, 6),
    "replay": (4, 6),
    "train fit": (6, 7),
    "train evaluate": (6, 7),
    "train survey": (6, 7),
    "train collect": (4, 6, 7),
    "train crossval": (6, 7),
    "train compare": (6, 7, 8),
    "train frontier": (6, 7, 13),
    "train convert-weights": (6,),
    "export run": (6, 8),
    "export verify": (3,),
    "export show": (3, 6),
    "export bench": (3, 5, 6, 8),
    "export diff": (3, 5, 6),
    "export promote": (3, 6),
    "export rollback": (3, 6),
    "export list": (6,),
}
_PACKAGE = Path(stripwatch.__file__).parent
_OPTION = re.compile(r"(?<![\w`-])(--[a-z][a-z-]*|STRIPWATCH_\w+(?:=\.\.\.)?)")
_ESCAPED = re.compile(r"(?<!`)([<*])|(?<!\w)(_)(?=\w)")
_EXTRAS = re.compile(r"\s*\[((?:default: |required|x[<>]|[\d.]+<).*)\]$", re.DOTALL)
_KINDS = {"int": "integer", "int range": "integer", "float": "number", "float range": "number", "str": "text"}


def commands_page() -> str:
    """Return the page with every command of the application."""
    blocks = [block for context in contexts() for block in _entry(context)]
    return page(_HEAD, *blocks)


def contexts() -> Iterator[typer.Context]:
    """The context of each group and command below the program, groups before their commands."""
    root = typer.main.get_command(app)
    yield from _below(typer.Context(root, info_name=PROGRAM))


def is_group(context: typer.Context) -> bool:
    """Return whether the command of a context has commands of its own."""
    return hasattr(context.command, "list_commands")


def _below(context: typer.Context) -> Iterator[typer.Context]:
    command: Any = context.command
    for name in command.list_commands(context):
        inner = typer.Context(command.get_command(context, name), info_name=name, parent=context)
        yield inner
        if is_group(inner):
            yield from _below(inner)


def _entry(context: typer.Context) -> list[str]:
    path = context.command_path
    title = f"{'##' if path.count(' ') == 1 else '###'} {code(path)}"
    if is_group(context):
        inner = [(each.command_path, (each.command.help or "").split("\n\n")[0]) for each in _below(context)]
        rows = [[f"[{code(name)}](#{name.replace(' ', '-')})", _prose(text)] for name, text in inner]
        return [title, *_help(context.command.help or ""), table(["command", "purpose"], rows)]
    numbers = EXIT_CODES[path.removeprefix(f"{PROGRAM} ")]
    codes = ", ".join(f"[{number}](exit-codes.md#exit-code-{number})" for number in numbers)
    usage = f"```text\n{context.command.get_usage(context).removeprefix('Usage: ')}\n```"
    summary, *more = _help(context.command.help or "")
    return [title, summary, usage, *more, *_parameters(context), f"Exit codes: {codes}."]


def _parameters(context: typer.Context) -> list[str]:
    rows: dict[str, list[list[str]]] = {"argument": [], "option": []}
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record and parameter.name != "help":
            rows[parameter.param_type_name].append(_row(parameter, *record))
    return [table([kind, "value", "default", "meaning"], found) for kind, found in rows.items() if found]


def _row(parameter: Any, names: str, text: str) -> list[str]:
    """Split a line of help, such as ("--rate <float range>", "Rate.  [default: 1.0; x>=0]"), into cells."""
    extras = _EXTRAS.search(text)
    meaning = text[: extras.start()] if extras else text
    found = extras[1].split("; ") if extras else []
    default = next((each.removeprefix("default: ") for each in found if each.startswith("default: ")), "")
    default = "required" if "required" in found else default and _default(default)
    flags = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        name, _, metavar = names.rpartition(" ")
    else:
        name, metavar = " / ".join(flags), names.removeprefix(" / ".join(flags)).strip()
    return [code(name), _value(parameter, metavar), default, _prose(meaning)]


def _default(text: str) -> str:
    """Format a default. The path of a file that is part of the package differs from machine to machine."""
    return f"{code(Path(text).name)} in the package" if Path(text).is_relative_to(_PACKAGE) else code(text)


def _value(parameter: Any, metavar: str) -> str:
    if not metavar or (parameter.param_type_name == "option" and parameter.is_flag):
        return ""
    repeatable = parameter.nargs == -1 or getattr(parameter, "multiple", False)
    kind = metavar.strip("<>")
    if kind.startswith("list["):
        kind = kind.removeprefix("list[").removesuffix("]").lower()
    if "|" in kind:
        words = ", ".join(code(choice) for choice in kind.split("|"))
    elif metavar.startswith("<"):
        words = _KINDS.get(kind, kind)
    else:
        words = code(kind)
    return words + _range(parameter) + (", repeatable" if repeatable else "")


def _range(parameter: Any) -> str:
    least, most = parameter.min, parameter.max
    if least is not None and most is not None:
        return f", {least:.10g} to {most:.10g}"
    return f", at least {least:.10g}" if least is not None else f", at most {most:.10g}" if most is not None else ""


def _help(text: str) -> list[str]:
    """Turn a command's help into blocks. Indented lines, and lines after "Example:", are a shell session."""
    return [_help_block(block) for block in text.strip().split("\n\n")]


def _help_block(block: str) -> str:
    if block.startswith("\b\nExample:\n"):
        return _shell(textwrap.dedent(block.removeprefix("\b\nExample:\n")))
    if block.startswith("Example: "):
        return _shell(" ".join(block.removeprefix("Example: ").split()))
    if block.startswith("    "):
        return _shell(" ".join(block.split()))
    return paragraph(_prose(block.removeprefix("\b\n")))


def _shell(text: str) -> str:
    return f"```shell\n{text}\n```"


def _prose(text: str) -> str:
    """Escape what Markdown would interpret, and format options and variables as code."""
    return _OPTION.sub(lambda found: code(found[1]), _ESCAPED.sub(r"\\\1\2", text))
