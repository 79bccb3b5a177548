"""Times as events state them: RFC 3339, in UTC. And which times a frame can have been captured at."""

from datetime import UTC, datetime

_CAPTURE_MS_MIN = 946_684_800_000  # 2000-01-01: what is older is a time in other units, or a clock that was never set
_AHEAD_MS_MAX = 86_400_000  # a clock in a wrong time zone is less than a day ahead; it counts as a negative age


def rfc3339(time_ms: int) -> str:
    """A time in milliseconds since 1970 as `2026-11-23T02:00:00.123Z`."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def parse_rfc3339(text: str) -> int:
    """A time with its offset from UTC in milliseconds since 1970. Raises ValueError."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"a time without an offset from UTC, such as Z: {text!r}")
    return round(time.timestamp() * 1000)


def utc_now() -> str:
    """The present time to the second, as `2026-11-23T02:00:00+00:00`: what run folders and bundle stores keep."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_capture_time(time_ms: int, now_ms: int) -> bool:
    """Whether a frame that is here now can have been captured then: not before 2000, nor a day or more from now."""
    return _CAPTURE_MS_MIN <= time_ms < now_ms + _AHEAD_MS_MAX
