"""Messages on how to continue a long command that was interrupted by Ctrl-C or SIGTERM."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from stripwatch.worker.common.errors import InterruptedCommandError
from stripwatch.worker.common.signals import Terminated, terminate_once
from stripwatch.worker.common.terminal.command_line import given_words
from stripwatch.worker.common.terminal.outcome import quoted_words

_PART_OF_COMMAND = "STRIPWATCH_PART_OF_COMMAND"  # set for a child process whose parent prints the message


def environment_of_part() -> Mapping[str, str]:
    """Return the environment of a child process that leaves the message about an interruption to its parent."""
    return {**os.environ, _PART_OF_COMMAND: "1"}


@contextmanager
def hint_if_interrupted(hint: Callable[[], str]) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM during the block into InterruptedCommandError.

    hint: returns the end of the message, such as "; continue with ...", or an empty text.
    """
    if _PART_OF_COMMAND in os.environ:
        yield
        return
    try:
        with terminate_once():
            yield
    except Terminated as error:
        raise InterruptedCommandError(f"terminated{hint()}", 128 + signal.SIGTERM) from error
    except KeyboardInterrupt as error:
        raise InterruptedCommandError(f"interrupted{hint()}", 128 + signal.SIGINT) from error


def given_command(*more: str) -> str:
    """Return the command line that is running, as it can be pasted into a shell. more: options to add if missing."""
    words = given_words()
    return quoted_words([*words, *(word for word in more if word not in words)])
