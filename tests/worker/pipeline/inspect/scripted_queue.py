"""A source of items that arrive at given times."""

from collections.abc import Sequence

from tests.clock import ManualClock


class ScriptedQueue:
    """Items 0, 1, 2, ... that arrive at the given times. Waiting advances the clock."""

    def __init__(self, clock: ManualClock, arrivals_s: Sequence[float]) -> None:
        self._clock = clock
        self._arrivals_s = list(arrivals_s)
        self._next = 0

    def head(self, timeout_s: float) -> int | None:
        if self._next == len(self._arrivals_s) or self._arrivals_s[self._next] > self._clock.now_s + timeout_s:
            self._clock.now_s += timeout_s
            return None
        self._clock.now_s = max(self._clock.now_s, self._arrivals_s[self._next])
        self._next += 1
        return self._next - 1
