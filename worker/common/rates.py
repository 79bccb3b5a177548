"""How often something happens, and how often it may."""

import math
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_RATE_S = 1.0  # about so long
_ROUNDING = 1e-6  # what flows in between two events adds up to a little less than one token, or a little more


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


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class TokenBucket:
    """A bucket holds `tokens_max` and is full at first; `per_s` tokens flow in, and each event takes one.

    So in any stretch of time a key has at most tokens_max + per_s * seconds events, and one that comes no more often
    than per_s is never refused. One thread calls. The number of keys must be bounded by the caller.
    """

    def __init__(self, tokens_max: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens_max = max(1.0, tokens_max)
        self._per_s = per_s
        self._clock = clock
        self._buckets: dict[Hashable, _Bucket] = {}

    def take(self, key: Hashable) -> bool:
        """Whether it may happen now; then its token is gone."""
        now_s = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._tokens_max, now_s)
        bucket.tokens = min(self._tokens_max, bucket.tokens + (now_s - bucket.filled_s) * self._per_s)
        bucket.filled_s = now_s
        if bucket.tokens < 1 - _ROUNDING:
            return False
        bucket.tokens -= 1
        return True
