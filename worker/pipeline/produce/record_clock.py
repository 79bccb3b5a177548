"""Timestamps of the records that the worker publishes.

They are this host's time, because readers take the timestamp of a result for the time of its publication. Kafka refuses
a record that is more than message.timestamp.after.max.ms (one hour) ahead of the broker's clock. The records then carry
the timestamps of the frames' own records, which Kafka has accepted before, so inspection continues until the clock is
correct.
"""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

_SET_S_MIN = 30.0  # a larger jump means that the clock was set
_RETRY_S = 300.0  # then this host's time is tried again, because the broker's clock may have been corrected


class RecordClock:
    """Chooses the timestamp of each record. Thread-safe."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._refused_s = 0.0
        self._frame_ms: int | None = None  # newest timestamp of a frame, for frames without one
        # Difference of wall clock and monotonic clock: when Kafka refused the time, at the last record, and before the
        # last jump
        self._refused_lead_s: float | None = None
        self._stamped_lead_s: float | None = None
        self._earlier_lead_s: float | None = None

    @property
    def refused(self) -> bool:
        """True if Kafka refused this host's time recently and the clock has not been set since."""
        lead_s = self._refused_lead_s
        if lead_s is None or self._monotonic() - self._refused_s > _RETRY_S:
            return False
        return not _is_set(lead_s, self._lead_s())

    def stamp_ms(self, frame_ms: int) -> int:
        """Return the timestamp for a record. frame_ms: timestamp of the frame's record, negative if it has none."""
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
        """Record that Kafka refused the timestamp of a record.

        The clock may have been set since the record was sent. In doubt the later of the two times counts as refused,
        because by default Kafka only limits times in the future. If that is wrong, the next record is refused too,
        which removes the doubt.
        """
        log.error(
            "Kafka refuses the timestamps of records; correct the clock of this host or of the broker",
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
    """Return whether the clock was set between two differences."""
    return abs(later_s - lead_s) >= _SET_S_MIN
