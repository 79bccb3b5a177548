"""Detects threads that hang, which the threads themselves cannot report."""

import time
from collections.abc import Callable

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.config.settings import Settings

_STUCK_S_MIN = 180.0  # longer than a batch takes with a slow model on a slow machine
_MARGIN_S = 30.0
_GAP_S_MAX = 1.0  # longest gap between two checks that counts; beyond it the whole process was paused


class HangDetector:
    """Checks progress on the main thread. Its limits exceed every wait that ends without intervention."""

    def __init__(self, settings: Settings, now_s: Callable[[], float] = time.monotonic) -> None:
        kafka_s = settings.broker.away_s_max + settings.send_s_max + _MARGIN_S
        self._settle_s_max = max(_STUCK_S_MIN, kafka_s)
        self._consumer_s_max = settings.drain_s_max + kafka_s
        self._now_s = now_s
        self._settled = self._turns = 0
        self._checked_s = now_s()
        self._unsettled_s = self._away_s = 0.0

    def check(self, frames_in_flight: int, frames_settled: int, consumer_turns: int) -> None:
        """Raise HangError if no frame was settled or the consumer has not returned from Kafka for too long.

        consumer_turns: iterations of the consumer's loop.
        """
        now_s = self._now_s()
        passed_s, self._checked_s = min(now_s - self._checked_s, _GAP_S_MAX), now_s
        self._unsettled_s += passed_s
        self._away_s += passed_s
        if not frames_in_flight or frames_settled != self._settled:
            self._settled, self._unsettled_s = frames_settled, 0.0
        if consumer_turns != self._turns:
            self._turns, self._away_s = consumer_turns, 0.0
        if self._unsettled_s > self._settle_s_max:
            raise HangError(
                f"{frames_in_flight} frames are in flight and none was settled for {self._settle_s_max:g} s"
            )
        if self._away_s > self._consumer_s_max:
            raise HangError(f"the consumer thread has not returned from Kafka for {self._consumer_s_max:g} s")
