"""The time that our records carry.

It is this host's, since readers take the time of a result for the moment at which it was published. Kafka refuses a
record that is more than message.timestamp.after.max.ms (one hour) ahead of the broker's clock. Then our records carry
the time of the frame's own record, which Kafka has accepted once, so inspection continues until the clock is set.
"""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_SET_S_MIN = 30.0  # a clock that was set jumps by more than this
_RETRY_S = 300.0  # then this host's time is tried again: it may be the broker's clock that was set


class RecordClock:
    """Any thread may call."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._refused_s = 0.0
        self._frame_ms: int | None = None  # the newest time of a frame, for one that has none
        # Leads of the wall clock over the monotonic one: of the time that Kafka refused, our newest, before it jumped
        self._refused_lead_s: float | None = None
        self._stamped_lead_s: float | None = None
        self._earlier_lead_s: float | None = None

    @property
    def refused(self) -> bool:
        """Kafka refused this host's time a short while ago, and nobody has set the clock since."""
        lead_s = self._refused_lead_s
        if lead_s is None or self._monotonic() - self._refused_s > _RETRY_S:
            return False
        return not _is_set(lead_s, self._lead_s())

    def stamp_ms(self, frame_ms: int) -> int:
        """For a record. frame_ms: the time of the record of its frame; negative where there is none."""
        if frame_ms >= 0:
            self._frame_ms = frame_ms
        if self._frame_ms is not None and self.refused:
            return self._frame_ms
        lead_s, before_s = self._lead_s(), self._stamped_lead_s
        if before_s is not None and _is_set(before_s, lead_s):
            self._earlier_lead_s = before_s
        self._stamped_lead_s = lead_s
        return round(self._wall() * 1000)

    def refuse(self, topic: str, frame_ms: int, error: BaseException) -> None:
        """Kafka refused the time of a record.

        The clock may have been set since the record was sent. In doubt the later of two times is the refused one: Kafka
        limits only such by default. Where that is wrong the next record is refused too, and there is no doubt.
        """
        log.error(
            "Kafka refuses the time of records; set this host's clock, or the broker's",
            topic=topic,
            seconds_ahead_of_frame=round(self._wall() - frame_ms / 1000) if frame_ms >= 0 else None,
            setting="message.timestamp.after.max.ms and message.timestamp.before.max.ms of the topic",
            error=str(error),
        )
        sent_s = [lead_s for lead_s in (self._stamped_lead_s, self._earlier_lead_s) if lead_s is not None]
        self._refused_s, self._refused_lead_s = self._monotonic(), max(sent_s, default=self._lead_s())
        self._earlier_lead_s = None

    def _lead_s(self) -> float:
        return self._wall() - self._monotonic()


def _is_set(lead_s: float, later_s: float) -> bool:
    """Whether the clock was set between these two."""
    return abs(later_s - lead_s) >= _SET_S_MIN
