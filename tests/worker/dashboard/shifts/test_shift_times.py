"""Shifts in the plant's time zone. They cover all times without overlap, whatever the clocks do."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.dashboard.shifts.shift_times import Shift, last_shifts, local_time

BERLIN = "Europe/Berlin"
STARTS = ["06:00", "14:00", "22:00"]


def ms(text: str) -> int:
    return round(1000 * datetime.fromisoformat(text).timestamp())


def named(shifts: list[Shift], zone: str = BERLIN) -> list[tuple[str, float]]:
    return [(local_time(shift.start_ms, zone), shift.hours) for shift in shifts]


def test_the_night_shift_has_seven_hours_when_summer_time_begins() -> None:
    assert named(last_shifts(ms("2026-03-29T12:00:00+02:00"), 3, STARTS, BERLIN)) == [
        ("2026-03-28T14:00+01:00", 8.0),
        ("2026-03-28T22:00+01:00", 7.0),
        ("2026-03-29T06:00+02:00", 8.0),
    ]


def test_the_night_shift_has_nine_hours_when_summer_time_ends() -> None:
    assert named(last_shifts(ms("2026-10-25T12:00:00+01:00"), 2, STARTS, BERLIN)) == [
        ("2026-10-24T22:00+02:00", 9.0),
        ("2026-10-25T06:00+01:00", 8.0),
    ]


@pytest.mark.parametrize(("now", "start"), [("05:59:59.999", "22:00"), ("06:00:00", "06:00")])
def test_a_shift_begins_with_its_start_time(now: str, start: str) -> None:
    (shift,) = last_shifts(ms(f"2026-06-15T{now}+02:00"), 1, STARTS, BERLIN)
    assert local_time(shift.start_ms, BERLIN)[11:16] == start


def test_start_time_that_does_not_exist_or_exists_twice() -> None:
    """In Berlin 02:30 did not exist on 29 March 2026, and occurred twice on 25 October."""
    spring = last_shifts(ms("2026-03-29T12:00:00+02:00"), 1, ["02:30"], BERLIN)
    autumn = last_shifts(ms("2026-10-25T12:00:00+01:00"), 1, ["02:30"], BERLIN)
    assert named(spring + autumn) == [("2026-03-29T03:30+02:00", 23.0), ("2026-10-25T02:30+02:00", 25.0)]


ZONES = st.sampled_from([BERLIN, "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"])
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
CLOCK_TIMES = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")


@given(TIMES, st.integers(1, 30), st.lists(CLOCK_TIMES, min_size=1, max_size=12, unique=True), ZONES)
def test_shifts_follow_each_other_without_gaps_up_to_the_running_one(
    now: datetime, count: int, starts: list[str], zone: str
) -> None:
    now_ms = round(1000 * now.timestamp())
    shifts = last_shifts(now_ms, count, starts, zone)
    assert len(shifts) == count
    assert shifts[-1].contains(now_ms)
    assert all(before.end_ms == after.start_ms for before, after in pairwise(shifts))
    assert all(shift.hours > 0 for shift in shifts)


@given(TIMES, st.lists(CLOCK_TIMES, min_size=1, max_size=12, unique=True))
def test_every_start_time_of_an_ordinary_day_begins_a_shift(now: datetime, starts: list[str]) -> None:
    shifts = last_shifts(round(1000 * now.timestamp()), len(starts), starts, "UTC")
    assert {local_time(shift.start_ms, "UTC")[11:16] for shift in shifts} == set(starts)
    assert shifts[-1].end_ms - shifts[0].start_ms == timedelta(days=1).total_seconds() * 1000


def test_local_times_state_their_offset() -> None:
    assert local_time(ms("2026-07-01T00:00:00+00:00"), BERLIN) == "2026-07-01T02:00+02:00"
    assert ZoneInfo(BERLIN)
