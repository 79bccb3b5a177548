"""Figures of the last moments: how many in a second, how late."""

from collections import deque

import numpy as np

_SAMPLES = 2_000


class Rate:
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


class Latency:
    """Percentiles over the last 2,000 values, in ms."""

    def __init__(self) -> None:
        self._values_ms: deque[float] = deque(maxlen=_SAMPLES)

    def add(self, value_ms: float) -> None:
        self._values_ms.append(value_ms)

    def percentile(self, percent: float) -> float | None:
        return round(float(np.percentile(self._values_ms, percent)), 1) if self._values_ms else None
