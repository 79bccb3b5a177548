"""Timestamps of records."""

import pytest
from kafka.errors import InvalidTimestampError
from structlog.testing import capture_logs

from stripwatch.worker.pipeline.produce.record_clock import RecordClock

DAY_S = 86_400.0


class Clocks:
    def __init__(self) -> None:
        self.wall_s, self.monotonic_s = 10 * DAY_S, 0.0
        self.clock = RecordClock(lambda: self.wall_s, lambda: self.monotonic_s)

    def advance(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds


def test_a_record_carries_the_time_of_this_host() -> None:
    assert Clocks().clock.stamp_ms(frame_ms=7) == 10 * DAY_S * 1000


def test_after_a_refusal_records_carry_the_time_of_their_frame_until_the_clock_is_set() -> None:
    clocks = Clocks()
    clock = clocks.clock
    with capture_logs() as logs:
        clock.refuse("results", round(9 * DAY_S * 1000), InvalidTimestampError("out of range"))
    (entry,) = logs
    assert (entry["topic"], entry["seconds_ahead_of_frame"], entry["log_level"]) == ("results", DAY_S, "error")
    assert "message.timestamp.after.max.ms" in entry["setting"]
    clocks.advance(60)
    assert (clock.refused, clock.stamp_ms(7)) == (True, 7)
    clocks.wall_s -= DAY_S
    assert (clock.refused, clock.stamp_ms(7)) == (False, clocks.wall_s * 1000)


@pytest.mark.parametrize("sent_since", [False, True])
def test_a_refusal_received_after_the_clock_was_set_does_not_concern_the_new_time(sent_since: bool) -> None:
    clocks = Clocks()
    clocks.clock.stamp_ms(7)
    clocks.wall_s -= DAY_S
    if sent_since:
        clocks.clock.stamp_ms(7)
    clocks.clock.refuse("results", 7, InvalidTimestampError())
    assert (clocks.clock.refused, clocks.clock.stamp_ms(7)) == (False, clocks.wall_s * 1000)


@pytest.mark.parametrize(("jump_s", "refusals"), [(DAY_S, 1), (-DAY_S, 2)])
def test_a_clock_that_jumped_is_refused(jump_s: float, refusals: int) -> None:
    """Jumps back are refused only where an administrator limits them, so the refusal may concern the time before the
    jump.
    """
    clocks = Clocks()
    clocks.clock.stamp_ms(7)
    clocks.wall_s += jump_s
    for _ in range(refusals):
        assert clocks.clock.stamp_ms(7) == clocks.wall_s * 1000
        clocks.clock.refuse("results", 7, InvalidTimestampError())
    assert (clocks.clock.refused, clocks.clock.stamp_ms(7)) == (True, 7)


def test_tries_the_time_of_this_host_again_after_a_while() -> None:
    """The broker's clock may have been wrong and have been corrected."""
    clocks = Clocks()
    clocks.clock.refuse("results", 7, InvalidTimestampError())
    clocks.advance(299)
    assert clocks.clock.refused
    clocks.advance(2)
    assert (clocks.clock.refused, clocks.clock.stamp_ms(7)) == (False, clocks.wall_s * 1000)


def test_a_frame_without_a_time_gets_the_time_of_this_host() -> None:
    clocks = Clocks()
    clocks.clock.refuse("results", -1, InvalidTimestampError())
    assert clocks.clock.stamp_ms(-1) == clocks.wall_s * 1000


def test_after_a_refusal_a_frame_without_a_time_gets_that_of_the_previous_frame() -> None:
    """Readers would take seconds for a time in 1970, and the topic's retention would delete the record."""
    clock = Clocks().clock
    clock.stamp_ms(7)
    clock.refuse("results", -1, InvalidTimestampError())
    assert clock.stamp_ms(-1) == 7
