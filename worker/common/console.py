"""What the three programs share at the command line: one sentence and an exit code instead of a traceback."""

import json
import sys
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.version import __version__

STDERR = Console(stderr=True)
_INTERRUPTED = 130


def new_app(program: str, help_text: str) -> typer.Typer:
    """A typer application with `--version`, and `--help` that keeps our line breaks."""
    app = typer.Typer(
        name=program,
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
            typer.echo(f"{program} {__version__}")
        elif context.invoked_subcommand is None:
            typer.echo(context.get_help())

    return app


def run_app(app: typer.Typer, program: str) -> None:
    """Run the command line. An error of ours becomes one sentence on stderr and its own exit code."""
    try:
        code = app(standalone_mode=False)
    except StripwatchError as error:
        _fail(str(error), error.exit_code)
    except typer.TyperException as error:
        _fail(f"{error.format_message().rstrip('.')}; see '{program} --help'", error.exit_code)
    if code == _INTERRUPTED:  # what typer makes of Ctrl-C
        _fail("stopped by the keyboard", _INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def say(text: str) -> None:
    """A line for a person, on stderr, as it is: not wrapped, and no bracket in a name taken for a style."""
    STDERR.print(text, soft_wrap=True, highlight=False, markup=False)


def print_summary(summary: dict[str, Any]) -> None:
    """The last line on stdout of a command that measures or counts: one JSON object."""
    print(json.dumps(summary, allow_nan=False), flush=True)


def new_progress() -> Progress:
    """A progress bar on stderr, with the time left; silent where stderr is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=STDERR,
        disable=not STDERR.is_terminal,
    )


def _fail(sentence: str, code: int) -> None:
    print(f"error: {sentence}", file=sys.stderr, flush=True)
    sys.exit(code)
