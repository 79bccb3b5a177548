"""Time, passed in, so that a test never sleeps and a stop ends any wait."""

import queue
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    @property
    def stopped(self) -> bool:
        """Somebody asked to stop."""
        ...

    def monotonic(self) -> float:
        """Seconds since any moment."""
        ...

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait, or return at once when somebody asks to stop."""
        ...


class SystemClock:
    """The clock of the machine."""

    def __init__(self) -> None:
        self.stopped = False
        # SimpleQueue.put is the one wake-up that may be called inside a signal handler: an Event could deadlock there.
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
        """Ask to stop; a signal handler may call it."""
        self.stopped = True
        self._stop_calls.put(None)
