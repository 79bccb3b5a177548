"""Times as events state them: RFC 3339, in UTC."""

from datetime import UTC, datetime


def rfc3339(time_ms: int) -> str:
    """A time in milliseconds since 1970 as `2026-11-23T02:00:00.123Z`."""
    time = datetime.fromtimestamp(time_ms / 1000, UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"
