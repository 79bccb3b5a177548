"""Work beside the frames' path: evidence, review, the shadow. It can neither delay nor break the inspection.

Each has a thread of its own at low priority and a queue that is bounded in frames and bytes; where the queue is full
the work is dropped and counted. What fails is counted and logged, and goes no further.
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
_RESTART_S = 5.0  # what ends the thread may do so with every frame


class BackgroundWorker(Generic[T]):
    """work: called with a frame and what is known of it, one after the other, on the thread.

    count: called with "dropped" or "failed".

    One thread asks for room and takes it, by `reserve` or by `offer`; any thread may call the rest.
    """

    def __init__(self, name: str, work: Callable[[Frame, T], None], count: Callable[[str], None]) -> None:
        self._name = name
        self._work = work
        self._count = count
        self._credits = InFlightLimiter(FRAMES_MAX, BYTES_MAX)
        self._queue: queue.SimpleQueue[tuple[Frame, T] | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = self._create_thread()

    def start(self) -> None:
        self._thread.start()

    def _create_thread(self) -> OwnedThread:
        return OwnedThread(self._run, self._name, self._start_again)

    def _start_again(self, _: BaseException) -> None:
        """In the place of a thread that died, which runs this: its frame has failed, and the log says why."""
        self._closing.wait(_RESTART_S)
        thread = self._create_thread()
        thread.start()
        self._thread = thread

    def offer(self, frame: Frame, known: T) -> None:
        """Returns at once: the frame is in the queue, or is dropped and counted."""
        if self.has_room():
            self.reserve(frame)
            self.put(frame, known)
        else:
            self._count("dropped")

    def has_room(self) -> bool:
        return self._credits.wait_for_room(0) > 0

    def reserve(self, frame: Frame) -> None:
        """Take a place in the queue for a frame, which is put there later, or cancelled."""
        self._credits.acquire(len(frame.encoded))

    def put(self, frame: Frame, known: T) -> None:
        """Into its place."""
        self._queue.put((frame, known))

    def cancel(self, frame: Frame) -> None:
        self._credits.release(len(frame.encoded))

    def close(self, timeout_s: float) -> bool:
        """Do what waits, until the time is up; the rest is counted as failed. False: the thread still works."""
        deadline_s = time.monotonic() + timeout_s
        self._closing.set()
        self._queue.put(None)
        joined = None
        while joined is not self._thread:  # one that dies meanwhile is replaced before it ends
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
            except Exception as error:  # nothing of it may reach the frames' path
                self._count("failed")
                reason = f"{type(error).__name__}: {error}"
                log.warning("background work failed on a frame", queue=self._name, frame=frame.id, error=reason)
            except BaseException:  # ends the thread
                self._count("failed")
                raise
            finally:
                self.cancel(frame)
            del entry, frame, known  # while it waits here, nothing is held


def lower_priority() -> None:
    """Of this thread alone, and those it starts, where the system can do that: the cores go to the inspection."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
