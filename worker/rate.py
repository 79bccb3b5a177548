"""Frames a second, of late."""

import math

_RATE_S = 1.0  # about so long


class Rate:
    """One thread calls at a time."""

    def __init__(self) -> None:
        self._fps = 0.0
        self._at_s = -math.inf

    def count(self, frames: int, now_s: float) -> float:
        """So many more by now; the rate."""
        self._fps = self._fps * math.exp((self._at_s - now_s) / _RATE_S) + frames / _RATE_S
        self._at_s = now_s
        return self._fps
