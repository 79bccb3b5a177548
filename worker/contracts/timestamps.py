"""Timestamps of events (RFC 3339 in UTC), and the range of plausible capture times."""

from datetime import UTC, datetime

_CAPTURE_MS_MIN = 946_684_800_000  # 2000-01-01: an earlier time is in other units, or the clock was never set
_AHEAD_MS_MAX = 86_400_000  # a clock in a wrong time zone is less than a day ahead, which gives a negative age


def rfc3339(time_ms: int) -> str:
    """Format milliseconds since 1970 as `2026-11-23T02:00:00.123Z`."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def parse_rfc3339(text: str) -> int:
    """Parse a time with an offset from UTC into milliseconds since 1970. Raises ValueError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"the time {text!r} has no offset from UTC, such as Z")
    return round(time.timestamp() * 1000)


def utc_now() -> str:
    """Return the current time as `2026-11-23T02:00:00+00:00`, the form used in run folders and registries."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_capture_time(time_ms: int, now_ms: int) -> bool:
    """Return whether a capture time is plausible: not before 2000, and less than a day ahead of now_ms."""
    return _CAPTURE_MS_MIN <= time_ms < now_ms + _AHEAD_MS_MAX
