from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.contracts.timestamps import parse_rfc3339, rfc3339, utc_now


@given(st.integers(0, 4_102_444_800_000))
def test_formats_milliseconds_in_utc_and_parses_them_back(time_ms: int) -> None:
    text = rfc3339(time_ms)
    assert datetime.fromisoformat(text).tzinfo == UTC
    assert parse_rfc3339(text) == time_ms


def test_applies_the_offset_and_rejects_a_time_without_one() -> None:
    assert rfc3339(parse_rfc3339("2026-11-23T03:00:00.5+01:00")) == "2026-11-23T02:00:00.500Z"
    for text in ("2026-11-23T02:00:00", "0001-01-01T00:00:00", "yesterday", ""):
        with pytest.raises(ValueError, match=r"offset|format|year"):
            parse_rfc3339(text)


@given(st.datetimes(timezones=st.timezones()))
def test_parses_every_time_with_a_time_zone(time: datetime) -> None:
    assert isinstance(parse_rfc3339(time.isoformat()), int)


def test_returns_the_current_time_in_utc() -> None:
    assert abs(datetime.now(UTC) - datetime.fromisoformat(utc_now())).total_seconds() < 600
