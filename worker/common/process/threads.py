"""Threads that somebody owns: one that dies says so, and a process that cannot end is ended."""

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

log = structlog.get_logger()

_LAST_RESORT_S = 5.0  # after the limit, where not even Python's lock can be had
_FRAMES_MAX = 12  # of each stack: the innermost


class OwnedThread(threading.Thread):
    """A daemon thread. died: called, on the thread itself, with whatever ended it against its will."""

    def __init__(self, target: Callable[[], None], name: str, died: Callable[[BaseException], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = target
        self._died = died

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            if not isinstance(error, StripwatchError):  # one of ours says in a sentence what is wrong
                log.exception("a thread died", thread=self.name)
            self._died(error)


class ShutdownLimit:
    """Ends the process when a stop takes too long: with the stacks of all threads in the log, and an exit code.

    A native call cannot be interrupted, and the interpreter waits for some threads and is aborted by others, so only
    the kernel can end such a process.
    """

    def __init__(self, exit_process: Callable[[int], None] = os._exit) -> None:
        self._exit_process = exit_process
        self._timer: threading.Timer | None = None

    def start(self, seconds: float, exit_code: Callable[[], int]) -> None:
        """exit_code: asked when the time is up."""
        self._timer = threading.Timer(seconds, self._end, args=(seconds, exit_code))
        self._timer.daemon = True
        self._timer.start()
        with suppress(RuntimeError, ValueError, AttributeError, OSError):  # stderr may be no file, as in a test
            faulthandler.dump_traceback_later(seconds + _LAST_RESORT_S, exit=True)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            faulthandler.cancel_dump_traceback_later()

    def _end(self, seconds: float, exit_code: Callable[[], int]) -> None:
        log.error("the stop took too long; ending by force", seconds=seconds, threads=stacks())
        self._exit_process(exit_code())


def end_by_force(error: HangError) -> NoReturn:
    """End a process of which a thread hangs: the interpreter would wait for it, or be aborted by what it runs."""
    log.error("ending by force", error=str(error), threads=stacks())
    print(f"error: {error}", file=sys.stderr, flush=True)
    os._exit(error.exit_code)


def stacks() -> dict[str, list[str]]:
    """Where each thread is, innermost last."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return {
        names.get(ident, str(ident)): [
            f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_stack(top)[-_FRAMES_MAX:]
        ]
        for ident, top in sys._current_frames().items()
    }


def dump_stacks_on_signal() -> None:
    """SIGUSR2 writes the stacks of all threads to stderr, whatever they do: the handler needs no lock of Python's."""
    with suppress(ValueError, AttributeError, OSError):  # stderr may be no file
        faulthandler.register(signal.SIGUSR2, all_threads=True)
