"""Event rates and rate limits."""

import math
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_RATE_S = 1.0  # time constant of the decay
_ROUNDING = 1e-6  # rounding errors of the tokens that are added between two events


class DecayedRate:
    """Exponentially decayed frame rate. Not thread-safe."""

    def __init__(self) -> None:
        self._fps = 0.0
        self._at_s = -math.inf

    def count(self, frames: int, now_s: float) -> float:
        """Count `frames` frames at `now_s` and return the decayed rate in frames per second."""
        self._fps = self._fps * math.exp((self._at_s - now_s) / _RATE_S) + frames / _RATE_S
        self._at_s = now_s
        return self._fps


class WindowedRate:
    """Events per second over the last `window_s` seconds, counted in whole seconds."""

    def __init__(self, window_s: int = 10) -> None:
        self._window_s = window_s
        self._seconds: deque[tuple[int, int]] = deque(maxlen=window_s + 1)

    def add(self, now_s: float) -> None:
        """Count an event."""
        second = int(now_s)
        count = self._seconds.pop()[1] if self._seconds and self._seconds[-1][0] == second else 0
        self._seconds.append((second, count + 1))

    def per_second(self, now_s: float) -> float:
        """Return the rate over the whole seconds before `now_s`."""
        second = int(now_s)
        counted = sum(count for at, count in self._seconds if second - self._window_s <= at < second)
        return counted / self._window_s


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled_s: float


class TokenBucket:
    """Rate limit per key. A bucket starts with `tokens_max` tokens, gains `per_s` per second; each event takes one.

    In any interval a key therefore has at most tokens_max + per_s * seconds events, and a key with at most `per_s`
    events per second is never limited. Not thread-safe. The caller must bound the number of keys.
    """

    def __init__(self, tokens_max: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens_max = max(1.0, tokens_max)
        self._per_s = per_s
        self._clock = clock
        self._buckets: dict[Hashable, _Bucket] = {}

    def take(self, key: Hashable) -> bool:
        """Take a token and return True, or return False if the bucket of the key is empty."""
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
