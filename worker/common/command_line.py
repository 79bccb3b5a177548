"""The command line: groups whose commands are imported only when they are called, and errors as one sentence.

A table of LazyCommand is all that `--help` of a group reads, so it answers without importing any command.
"""

import errno
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, ClassVar, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from stripwatch.worker.common.errors import InputError, SettingsError, StripwatchError
from stripwatch.worker.common.path_text import encodable
from stripwatch.worker.common.signals import interrupted_once
from stripwatch.worker.common.version import __version__

PROGRAM = "stripwatch"
_INTERRUPTED = 130
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class _Command(TyperCommand):
    """A command whose errors say which command they are about, also where typer itself does not know."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # the type of the context is private to typer
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            if getattr(error, "ctx", ctx) is None:
                vars(error)["ctx"] = ctx
            raise


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A row of a group's table.

    target: "package.module:name" of the function, or of the typer application of a nested group.
    help: the first line of the command's own help; a test compares the two.
    passes_on: options that the command does not know are kept in `context.args`, to be passed on to another command.
    """

    name: str
    target: str
    help: str
    passes_on: bool = False

    def load(self) -> TyperCommand | TyperGroup:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        found: Any = getattr(importlib.import_module(module), attribute)
        if not isinstance(found, typer.Typer):
            application = typer.Typer(add_completion=False, rich_markup_mode=None)
            application.command(self.name, cls=_Command, context_settings=_PASS_ON if self.passes_on else None)(found)
            found = application
        command = typer.main.get_command(found)
        assert isinstance(command, TyperCommand | TyperGroup)
        return command


class LazyGroup(TyperGroup):
    """A group that shows its table in its help, and imports the one command that is called.

    Subclass it with the two tables. renamed: the old name of a command to its new one.
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
            ctx.fail(f"The command {name!r} is now called {self.renamed[name]!r}.")
        if name not in self.table and not name.startswith("-"):
            close = get_close_matches(name, self.table)
            ctx.fail(
                f"No such command {name!r}." + (f" Did you mean {' or '.join(map(repr, close))}?" if close else "")
            )
        return super().resolve_command(ctx, args)


def new_app(
    help_text: str, commands: Sequence[LazyCommand], renamed_commands: Mapping[str, str] | None = None
) -> typer.Typer:
    """A typer application with lazily imported commands, `--version`, and `--help` that keeps our line breaks.

    Every group is made here, so each prints its help when it is called without a command.
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
    """Run the command line. An error of ours becomes one sentence on stderr and its own exit code.

    program: what the user typed to get here, such as "stripwatch train", for help and errors.
    """
    try:
        with interrupted_once():
            code = app(prog_name=program, standalone_mode=False)
    except StripwatchError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG or not error.filename:
            raise
        _fail(f"cannot use {error.filename}: {error.strerror}", InputError.exit_code)
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        _fail("ONNX Runtime is not installed; run: pip install onnxruntime", SettingsError.exit_code)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)  # a usage error knows the command that it is about
        _fail(_with_hint(error.format_message(), context.command_path if context else program), error.exit_code)
    if code == _INTERRUPTED:  # what typer makes of Ctrl-C
        _fail("interrupted", _INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _with_hint(message: str, program: str) -> str:
    if message.endswith("?"):
        return f"{message} See '{program} --help'"
    return f"{message.rstrip('.')}; see '{program} --help'"


def _fail(sentence: str, code: int) -> NoReturn:
    print(f"error: {encodable(sentence)}", file=sys.stderr, flush=True)
    sys.exit(code)
