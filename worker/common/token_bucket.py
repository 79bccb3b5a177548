"""How often something may happen: a token bucket for each key."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

_ROUNDING = 1e-6  # what flows in between two events adds up to a little less than one token, or a little more


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
