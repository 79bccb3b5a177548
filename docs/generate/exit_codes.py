"""The page of exit codes: the meaning of a code and its remedy are the docstring of its error class."""

import inspect

from docs.generate.commands import EXIT_CODES
from docs.generate.markdown import code, page, paragraph, table
from stripwatch.worker.common import errors
from stripwatch.worker.common.errors import FrameRejected, StripwatchError, WorkerExitError
from stripwatch.worker.common.terminal.command_line import PROGRAM

_HEAD = """# Exit codes

Every command ends with one of these codes. Unless it is 0, the last line on stderr is one sentence that begins with
`error:` and states what is wrong and where. From Python the same errors are exceptions, and `exit_code` is the code.

[Recover from failures](../how-to/automation-engineer/recover.md#a-worker-ends) describes what happens when a worker
ends.
"""
_OTHER = {
    0: ("Success. A worker that was stopped by SIGTERM or SIGINT has finished and committed its frames.", ""),
    1: ("An error that Stripwatch does not expect, with a traceback on stderr.", "Report the traceback as a bug."),
}
_ABOVE = "above 128"


def exit_codes_page() -> str:
    """Return the page with every exit code, in numeric order."""
    found = {number: [meaning, _remedy(remedy), "Commands: all."] for number, (meaning, remedy) in _OTHER.items()}
    found |= {kind.exit_code: _facts(kind) for kind in error_classes()}
    codes: list[tuple[int | str, list[str]]] = [*sorted(found.items()), (_ABOVE, _facts(WorkerExitError))]
    overview = [[f"[{number}](#exit-code-{str(number).replace(' ', '-')})", facts[0]] for number, facts in codes]
    return page(
        _HEAD,
        table(["code", "meaning"], overview),
        *(
            block
            for number, facts in codes
            for block in (f"## Exit code {number}", *(paragraph(fact) for fact in facts if fact))
        ),
    )


def error_classes() -> list[type[StripwatchError]]:
    """The error classes that have an exit code of their own."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, StripwatchError)]
    return [kind for kind in kinds if kind not in (StripwatchError, WorkerExitError, FrameRejected)]


def documented(kind: type[StripwatchError]) -> tuple[str, str]:
    """Return the meaning of an error and what to do: the first two paragraphs of the docstring of its class."""
    meaning, remedy, *_ = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    return meaning, remedy


def _facts(kind: type[StripwatchError]) -> list[str]:
    meaning, remedy = documented(kind)
    users = [command for command, codes in EXIT_CODES.items() if kind.exit_code in codes]
    users = ["run"] if kind is WorkerExitError else users
    commands = ", ".join(_command(user) for user in users) or "all"
    return [meaning, _remedy(remedy), f"Exception: {code(kind.__name__)}. Commands: {commands}."]


def _remedy(text: str) -> str:
    return text and f"**What to do:** {text}"


def _command(name: str) -> str:
    return f"[{code(name)}](commands.md#{PROGRAM}-{name.replace(' ', '-')})"
