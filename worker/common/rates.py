"""Frames a second, of late."""

import math
from collections import deque

_RATE_S = 1.0  # about so long


class DecayedRate:
    """One thread calls at a time."""

    def __init__(self) -> None:
        self._fps = 0.0
        self._at_s = -math.inf

    def count(self, frames: int, now_s: float) -> float:
        """So many more by now; the rate."""
        self._fps = self._fps * math.exp((self._at_s - now_s) / _RATE_S) + frames / _RATE_S
        self._at_s = now_s
        return self._fps


class WindowedRate:
    """Events a second over the last window_s seconds, counted by whole seconds."""

    def __init__(self, window_s: int = 10) -> None:
        self._window_s = window_s
        self._seconds: deque[tuple[int, int]] = deque(maxlen=window_s + 1)

    def add(self, now_s: float) -> None:
        second = int(now_s)
        count = self._seconds.pop()[1] if self._seconds and self._seconds[-1][0] == second else 0
        self._seconds.append((second, count + 1))

    def per_second(self, now_s: float) -> float:
        """Over the whole seconds that are past."""
        second = int(now_s)
        counted = sum(count for at, count in self._seconds if second - self._window_s <= at < second)
        return counted / self._window_s
