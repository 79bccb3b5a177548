"""What no thread can say of itself: that it does not come back."""

import time
from collections.abc import Callable

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.config.settings import Settings

_STUCK_S_MIN = 180.0  # a slow model on a slow box needs less for a batch
_MARGIN_S = 30.0
_GAP_S_MAX = 1.0  # between two checks; while the whole process stood still, no time passed for its threads


class HangDetector:
    """The main thread calls `check` again and again. Its limits are longer than any wait that ends by itself."""

    def __init__(self, settings: Settings, now_s: Callable[[], float] = time.monotonic) -> None:
        kafka_s = settings.broker.away_s_max + settings.send_s_max + _MARGIN_S
        self._settle_s_max = max(_STUCK_S_MIN, kafka_s)
        self._consumer_s_max = settings.drain_s_max + kafka_s
        self._now_s = now_s
        self._settled = self._turns = 0
        self._checked_s = now_s()
        self._unsettled_s = self._away_s = 0.0

    def check(self, frames_inside: int, frames_settled: int, consumer_turns: int) -> None:
        """consumer_turns: how often the consumer's thread has come back from Kafka. Raises HangError."""
        now_s = self._now_s()
        passed_s, self._checked_s = min(now_s - self._checked_s, _GAP_S_MAX), now_s
        self._unsettled_s += passed_s
        self._away_s += passed_s
        if not frames_inside or frames_settled != self._settled:
            self._settled, self._unsettled_s = frames_settled, 0.0
        if consumer_turns != self._turns:
            self._turns, self._away_s = consumer_turns, 0.0
        if self._unsettled_s > self._settle_s_max:
            raise HangError(f"{frames_inside} frames are inside and none was settled for {self._settle_s_max:g} s")
        if self._away_s > self._consumer_s_max:
            raise HangError(f"the consumer's thread has not come back from Kafka for {self._consumer_s_max:g} s")
