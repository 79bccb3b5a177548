"""The shifts of a plant: periods between the daily start times, in its time zone."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Shift:
    """A period from its start up to but without its end, in milliseconds since 1970.

    A shift in which the clocks change is an hour longer or shorter.
    """

    start_ms: int
    end_ms: int

    @property
    def hours(self) -> float:
        return (self.end_ms - self.start_ms) / 3_600_000

    def contains(self, time_ms: int) -> bool:
        return self.start_ms <= time_ms < self.end_ms


def last_shifts(now_ms: int, count: int, starts: Sequence[str], time_zone: str) -> list[Shift]:
    """Return the last shifts, oldest first; the last one is running.

    starts: start times as HH:MM, in any order. time_zone: IANA name.
    """
    zone = ZoneInfo(time_zone)
    today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
    days = count // len(starts) + 3
    boundaries = sorted({*_boundaries(today - timedelta(days), 2 * days, starts, zone)})
    running = bisect_right(boundaries, now_ms)
    first = max(0, running - count)
    return [Shift(boundaries[at], boundaries[at + 1]) for at in range(first, running)]


def local_time(time_ms: int, time_zone: str) -> str:
    """Format a time in a time zone, as 2026-11-23T06:00+01:00."""
    return datetime.fromtimestamp(time_ms / 1000, ZoneInfo(time_zone)).isoformat(timespec="minutes")


def _boundaries(first: date, days: int, starts: Sequence[str], zone: ZoneInfo) -> Iterator[int]:
    """Yield the starts of shifts. A local time that the change of clocks skips is taken by the clock before it; of a
    time that occurs twice, the first one counts.
    """
    for day in range(days):
        for start in starts:
            local = datetime.combine(first + timedelta(day), clock_time.fromisoformat(start), zone)
            yield round(local.timestamp() * 1000)
