"""Background work on frames: evidence, review, shadow. It can neither delay nor break the inspection.

Each kind has a low-priority thread and a queue that is bounded in frames and bytes. If the queue is full, work is
dropped and counted. A failure is counted and logged, and has no further effect.
"""

import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter

log = structlog.get_logger()
T = TypeVar("T")
FRAMES_MAX, BYTES_MAX = 64, 64_000_000
_NICE = 10
_RESTART_S = 5.0  # the cause that ended the thread may recur with every frame


class BackgroundWorker(Generic[T]):
    """Runs `work` for each offered frame, one after the other, on a low-priority thread.

    work: called with a frame and the data offered with it. count: called with "dropped" or "failed". Only one thread
    may call `has_room`, `reserve` and `offer`; any thread may call the other methods.
    """

    def __init__(self, name: str, work: Callable[[Frame, T], None], count: Callable[[str], None]) -> None:
        self._name = name
        self._work = work
        self._count = count
        self._limiter = InFlightLimiter(FRAMES_MAX, BYTES_MAX)
        self._queue: queue.SimpleQueue[tuple[Frame, T] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = self._create_thread()

    def start(self) -> None:
        self._thread.start()

    def _create_thread(self) -> OwnedThread:
        return OwnedThread(self._run, self._name, self._start_again)

    def _start_again(self, _: BaseException) -> None:
        """Replace the thread that died, which runs this method. Its frame has failed, and the log gives the reason."""
        self._closing.wait(_RESTART_S)
        thread = self._create_thread()
        thread.start()
        self._thread = thread

    def offer(self, frame: Frame, known: T) -> None:
        """Queue a frame, or drop and count it if the queue is full. Returns at once."""
        if self.has_room():
            self.reserve(frame)
            self.put(frame, known)
        else:
            self._count("dropped")

    def has_room(self) -> bool:
        return self._limiter.wait_for_room(0) > 0

    def reserve(self, frame: Frame) -> None:
        """Reserve room in the queue for a frame. Call `put` or `cancel` later."""
        self._limiter.acquire(len(frame.encoded))

    def put(self, frame: Frame, known: T) -> None:
        """Queue a frame for which room is reserved."""
        self._queue.put((frame, known))

    def cancel(self, frame: Frame) -> None:
        self._limiter.release(len(frame.encoded))

    def close(self, timeout_s: float) -> bool:
        """Process the queue until the time is up, and count the rest as failed.

        Return False if the thread is still busy.
        """
        deadline_s = time.monotonic() + timeout_s
        self._closing.set()
        self._queue.put(None)
        joined = None
        while joined is not self._thread:  # a thread that dies now is replaced before it ends
            joined = self._thread
            joined.join(max(0.0, deadline_s - time.monotonic()))
        left = 0
        with suppress(queue.Empty):
            while self._queue.get_nowait() is not None:
                self._count("failed")
                left += 1
        if left:
            log.warning("background queue not empty at shutdown", queue=self._name, frames=left)
        return not self._thread.is_alive()

    def _run(self) -> None:
        lower_priority()
        while (entry := self._queue.get()) is not None:
            frame, known = entry
            try:
                self._work(frame, known)
            except Exception as error:  # no error may reach the path of the frames
                self._count("failed")
                reason = f"{type(error).__name__}: {error}"
                log.warning("background work failed on a frame", queue=self._name, frame=frame.id, error=reason)
            except BaseException:  # this ends the thread
                self._count("failed")
                raise
            finally:
                self.cancel(frame)
            del entry, frame, known  # hold no frame while waiting


def lower_priority() -> None:
    """Lower the priority of this thread and of those it starts, where supported, so that inspection gets the cores."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
