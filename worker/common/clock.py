"""Clocks that are passed in, so that tests need not sleep and a stop request ends every wait."""

import queue
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Source of time."""

    @property
    def stopped(self) -> bool:
        """Whether a stop was requested."""
        ...

    def monotonic(self) -> float:
        """Return seconds since an arbitrary point in time; never decreases."""
        ...

    def now(self) -> datetime:
        """Return the current date and time in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, or return at once if a stop is or was requested."""
        ...


class SystemClock:
    """Clock of the operating system. `stop` ends the current and every later `sleep`."""

    def __init__(self) -> None:
        self.stopped = False
        # SimpleQueue.put is safe inside a signal handler, where Event.set could deadlock.
        self._stop_calls: queue.SimpleQueue[None] = queue.SimpleQueue()

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if seconds > 0 and not self.stopped:
            with suppress(queue.Empty):
                self._stop_calls.get(timeout=seconds)

    def stop(self) -> None:
        """Request a stop. Safe to call from a signal handler."""
        self.stopped = True
        self._stop_calls.put(None)
