"""Time for the tools that play cameras: passed in, so that a test never sleeps, and a signal ends any wait."""

import queue
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        self._stop_calls: queue.SimpleQueue[int] = queue.SimpleQueue()

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        if seconds > 0 and not self.stopped:
            with suppress(queue.Empty):
                self._stop_calls.get(timeout=seconds)

    def stop(self, signal_number: int = 0, _frame: object = None) -> None:
        """Ask to stop; fit to be a signal handler."""
        self.stopped = True
        self._stop_calls.put(signal_number)

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT ask to stop, instead of ending the process where it stands."""
        before = {number: signal.signal(number, self.stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
