"""The page of exit codes: the meaning of a code and its remedy are the docstring of its error class."""

import inspect

from docs.generate.commands import EXIT_CODES
from docs.generate.markdown import code, page, table
from stripwatch.worker.common import errors
from stripwatch.worker.common.errors import FrameRejected, StripwatchError, WorkerExitError

_HEAD = """# Exit codes

Every command ends with one of these codes. Unless it is 0, the last line on stderr is one sentence that begins with
`error:` and states what is wrong and where. From Python the same errors are exceptions, and `exit_code` is the code.
"""
_ALL = "all"
_OTHER = (
    (0, "", "Success. A worker that was stopped by SIGTERM or SIGINT has finished and committed its frames.", "", _ALL),
    (
        1,
        "",
        "An error that Stripwatch does not expect, with a traceback on stderr.",
        "Report the traceback as a bug.",
        _ALL,
    ),
    (130, "", "Interrupted by Ctrl-C or SIGINT before the command had finished.", "", _ALL),
)


def exit_codes_page() -> str:
    """Return the page with every exit code, in numeric order."""
    rows = [*_OTHER, *(_row(kind) for kind in error_classes())]
    columns = ["code", "meaning", "what to do", "exception", "commands"]
    lines = [
        [f"**{number}**", meaning, remedy, name, commands] for number, name, meaning, remedy, commands in sorted(rows)
    ]
    meaning, remedy = documented(WorkerExitError)
    above = ["above 128", meaning, remedy, code(WorkerExitError.__name__), code("run")]
    return page(_HEAD, table(columns, [*lines, above]))


def error_classes() -> list[type[StripwatchError]]:
    """The error classes that have an exit code of their own."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, StripwatchError)]
    return [kind for kind in kinds if kind not in (StripwatchError, WorkerExitError, FrameRejected)]


def documented(kind: type[StripwatchError]) -> tuple[str, str]:
    """Return the meaning of an error and what to do: the first two paragraphs of the docstring of its class."""
    meaning, remedy, *_ = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    return meaning, remedy


def _row(kind: type[StripwatchError]) -> tuple[int, str, str, str, str]:
    users = [code(command) for command, codes in EXIT_CODES.items() if kind.exit_code in codes]
    return kind.exit_code, code(kind.__name__), *documented(kind), ", ".join(users) or _ALL
