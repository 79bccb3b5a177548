"""Command-line framework: groups that import a command only when it is called, and errors of one sentence.

`--help` of a group reads only its table of LazyCommand, so it imports no command.
"""

import errno
import importlib
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from stripwatch.worker.common.errors import InputError, SettingsError, StripwatchError, plain_message
from stripwatch.worker.common.folders import empty_folders_removed_on_failure
from stripwatch.worker.common.log_lines import print_error
from stripwatch.worker.common.signals import interrupt_once
from stripwatch.worker.common.version import __version__

PROGRAM = "stripwatch"
_INTERRUPTED = 130
_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})  # without a name, those of stdout
COMMAND_CLASS = "command_class"  # attribute of a command's function, for a subclass of Command
_given: list[str] = []  # words of the command line that is running
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class Command(TyperCommand):
    """Command with three additions to typer.

    Usage errors name the command even if typer does not set their context. An option --json without a file means
    `--json -`, as the switch did that it was in earlier versions, unless `bare_json` is False.

    A number must be finite: no option gives infinity a meaning, and JSON has none for it.
    """

    bare_json = True

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # the context type is private to typer
        given = args
        if ctx.parent is not None:  # not for a command line that is only parsed
            _given[:] = [*ctx.command_path.split(), *args]
        try:
            given = self._with_json_file(args)
            rest = super().parse_args(ctx, list(given))  # the parser empties its list
            self._require_finite(ctx)
            return rest
        except typer.TyperException as error:
            if getattr(error, "ctx", ctx) is None:
                vars(error)["ctx"] = ctx
            if error.format_message().startswith("Missing argument") and (file := _value_of(given, "--json")):
                raise typer.BadParameter(
                    f"takes a file, here {file!r}, and an argument is missing; write --json - for stdout",
                    ctx=ctx,
                    param_hint="--json",
                ) from error
            raise

    def _require_finite(self, ctx: Any) -> None:
        for option in self.params:
            value = ctx.params.get(option.name)
            for each in value if isinstance(value, list | tuple) else [value]:
                if isinstance(each, float) and not math.isfinite(each):
                    raise typer.BadParameter("must be a finite number", ctx=ctx, param_hint=option.opts[0])

    def _with_json_file(self, args: list[str]) -> list[str]:
        """Return the arguments with the value - for an option --json that has none."""
        takes_file = any("--json" in option.opts and not getattr(option, "is_flag", False) for option in self.params)
        at = _index(args, "--json")
        if not takes_file or at is None or _value_of(args, "--json") is not None:
            return args
        if not self.bare_json:
            raise typer.BadParameter("needs a FILE for the JSON object, or - for stdout", param_hint="--json")
        return [*args[: at + 1], "-", *args[at + 1 :]]


def given_words() -> list[str]:
    """Return the words of the command line that is running, such as ["stripwatch", "train", "fit", ...]."""
    return list(_given)


def _index(args: Sequence[str], option: str) -> int | None:
    end = args.index("--") if "--" in args else len(args)
    return args.index(option) if option in args[:end] else None


def _value_of(args: Sequence[str], option: str) -> str | None:
    """Return the word after an option, unless it is missing or another option."""
    at = _index(args, option)
    word = None if at is None or at + 1 == len(args) else args[at + 1]
    return None if word is None or (word.startswith("-") and word != "-") else word


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Row of a group's table of commands.

    Attributes:
        name: Name of the command.
        target: "package.module:name" of the function, or of the typer application of a nested group.
        help: First line of the command's help; a test compares the two.
        passes_on: Keep unknown options in `context.args`, to pass them to another command.
        bare_json: Accept --json without a file, which then means `--json -`.
    """

    name: str
    target: str
    help: str
    passes_on: bool = False
    bare_json: bool = True

    def load(self) -> TyperCommand | TyperGroup:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        found: Any = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            command_class = getattr(found, COMMAND_CLASS, Command)
            application = typer.Typer(add_completion=False, rich_markup_mode=None)
            settings = _PASS_ON if self.passes_on else None
            application.command(self.name, cls=command_class, context_settings=settings)(found)
            found = application
        command = typer.main.get_command(found)
        assert isinstance(command, TyperCommand | TyperGroup)
        if isinstance(command, Command):
            command.bare_json = self.bare_json
        return command


class LazyGroup(TyperGroup):
    """Group that lists its table in `--help` and imports only the command that is called.

    Attributes:
        table: Commands by name.
        renamed: New names of commands by old name.
    """

    table: ClassVar[Mapping[str, LazyCommand]] = {}
    renamed: ClassVar[Mapping[str, str]] = {}

    # The types of the context and the formatter are private to typer, hence Any.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002
        row = self.table.get(cmd_name)
        return row.load() if row else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.help) for row in self.table.values()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name in self.renamed:
            ctx.fail(f"the command {name!r} is now called {self.renamed[name]!r}.")
        if name not in self.table and not name.startswith("-"):
            close = get_close_matches(name, self.table)
            ctx.fail(
                f"no such command {name!r}." + (f" Did you mean {' or '.join(map(repr, close))}?" if close else "")
            )
        return super().resolve_command(ctx, args)


def new_app(
    help_text: str, commands: Sequence[LazyCommand], renamed_commands: Mapping[str, str] | None = None
) -> typer.Typer:
    """Return a typer application with lazily imported commands, `--version`, and help texts that keep line breaks.

    All groups are created here. A group that is called without a command prints its help.
    """

    class Group(LazyGroup):
        table: ClassVar = {row.name: row for row in commands}
        renamed: ClassVar = renamed_commands or {}

    app = typer.Typer(
        cls=Group,
        help=help_text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(help=help_text, invoke_without_command=True)
    def root(
        context: typer.Context,
        version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
    ) -> None:
        if version:
            typer.echo(f"{PROGRAM} {__version__}")
            raise typer.Exit
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app


def run_app(app: typer.Typer, program: str) -> NoReturn:
    """Run a command line and exit. A StripwatchError becomes one sentence on stderr and its exit code.

    A command that fails leaves no empty folder behind.

    program: The command that the user typed, such as "stripwatch train", for help and errors.
    """
    with empty_folders_removed_on_failure():
        _run(app, program)


def _run(app: typer.Typer, program: str) -> NoReturn:
    try:
        with interrupt_once():
            code = app(prog_name=program, standalone_mode=False)
    except StripwatchError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno in _OUTPUT_ERRORS and error.filename is None:
            _drop_output()
            _fail(f"cannot write the output of the command: {error.strerror}", InputError.exit_code)
        if error.errno != errno.ENAMETOOLONG or not error.filename:
            raise
        _fail(f"cannot use {error.filename}: {error.strerror}", InputError.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        _fail("ONNX Runtime is not installed; run: pip install onnxruntime", SettingsError.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)  # a usage error holds the context of its command
        _fail(_with_hint(error.format_message(), context.command_path if context else program), error.exit_code)
    if code == _INTERRUPTED:  # typer returns this code after Ctrl-C
        _fail("interrupted", _INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _drop_output() -> None:
    """Discard what is left to write to stdout, which Python would otherwise try again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _with_hint(message: str, program: str) -> str:
    """Complete an error of typer: an invalid value as what the option must be, and where the help is."""
    if invalid := re.fullmatch(r"Invalid value for '?(.+?)'?: (.*)", message, re.DOTALL):
        rule = plain_message(invalid[2])
        name = invalid[1].replace("'", "")  # an option with two spellings has a quoted name for each
        message = f"{name}{'' if rule.startswith('must ') else ':'} {rule}"
    elif message.startswith(("No such ", "Missing ", "Got ", "Option ")):
        message = message[0].lower() + message[1:]
    if message.endswith("?"):
        return f"{message} See '{program} --help'"
    return f"{message.rstrip('.')}; see '{program} --help'"


def _fail(sentence: str, code: int) -> NoReturn:
    print_error(sentence)
    sys.exit(code)
