"""Figures of the last moments: how many in a second, how late."""

from collections import deque

import numpy as np

_SAMPLES = 2_000


class Latency:
    """Percentiles over the last 2,000 values, in ms."""

    def __init__(self) -> None:
        self._values_ms: deque[float] = deque(maxlen=_SAMPLES)

    def add(self, value_ms: float) -> None:
        self._values_ms.append(value_ms)

    def percentile(self, percent: float) -> float | None:
        return round(float(np.percentile(self._values_ms, percent)), 1) if self._values_ms else None
