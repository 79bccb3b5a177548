"""Threads that report their failure to an owner, and forced exit of processes that hang."""

import faulthandler
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import structlog

from stripwatch.worker.common.errors import HangError, StripwatchError
from stripwatch.worker.common.log_lines import print_error

log = structlog.get_logger()

_LAST_RESORT_S = 5.0  # after the limit, for a native call that never releases the GIL
_FRAMES_MAX = 12  # innermost frames shown of each stack


class OwnedThread(threading.Thread):
    """Daemon thread that calls `died`, on the thread itself, with the exception that ended it."""

    def __init__(self, target: Callable[[], None], name: str, died: Callable[[BaseException], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = target
        self._died = died

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            if not isinstance(error, StripwatchError):  # a StripwatchError needs no traceback
                log.exception("thread failed", thread=self.name)
            self._died(error)


class ShutdownLimit:
    """Ends the process if shutdown takes too long, after logging the stacks of all threads.

    A native call cannot be interrupted. At exit the interpreter waits for some threads and is aborted by others, so
    only the kernel can end such a process reliably.
    """

    def __init__(self, exit_process: Callable[[int], None] = os._exit) -> None:
        self._exit_process = exit_process
        self._timer: threading.Timer | None = None

    def start(self, seconds: float, exit_code: Callable[[], int]) -> None:
        """Start the timer. exit_code: called when the time has passed; returns the exit code."""
        self._timer = threading.Timer(seconds, self._end, args=(seconds, exit_code))
        self._timer.daemon = True
        self._timer.start()
        with suppress(RuntimeError, ValueError, AttributeError, OSError):  # stderr may not be a file, as in a test
            faulthandler.dump_traceback_later(seconds + _LAST_RESORT_S, exit=True)

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            faulthandler.cancel_dump_traceback_later()

    def _end(self, seconds: float, exit_code: Callable[[], int]) -> None:
        log.error("shutdown timed out; ending by force", seconds=seconds, threads=stacks())
        self._exit_process(exit_code())


def end_by_force(error: HangError) -> NoReturn:
    """End this process although a thread hangs: at exit the interpreter would wait for it or be aborted by it."""
    log.error("ending by force", error=str(error), threads=stacks())
    print_error(str(error))
    os._exit(error.exit_code)


def stacks() -> dict[str, list[str]]:
    """Return the stack of each thread by name, innermost frame last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_stack(top)[-_FRAMES_MAX:]
        ]
        for ident, top in sys._current_frames().items()
    }


def dump_stacks_on_signal() -> None:
    """Write the stacks of all threads to stderr on SIGUSR2. Works even while a thread holds the GIL."""
    with suppress(ValueError, AttributeError, OSError):  # stderr may not be a file
        faulthandler.register(signal.SIGUSR2, all_threads=True)
