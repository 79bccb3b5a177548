"""Detecting threads that hang."""

import pytest

from stripwatch.worker.common.errors import HangError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service.hang_detector import HangDetector

SETTINGS = load_settings(None, {"send_s_max": 60, "drain_s_max": 20, "broker": {"away_s_max": 60}})
LONG_S = 10_000.0


class Time:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def check_for(
    seconds: int, detector: HangDetector, time: Time, frames_in_flight: int, turns: int | None = None
) -> None:
    """Check once per second, the lowest rate of the worker. turns: None if the consumer returns every time."""
    for step in range(seconds):
        time.now_s += 1
        detector.check(frames_in_flight, 100, step if turns is None else turns)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def detector(time: Time) -> HangDetector:
    return HangDetector(SETTINGS, time)


def test_frames_that_are_not_settled_are_a_hang(detector: HangDetector, time: Time) -> None:
    detector.check(3, 100, 1)
    check_for(179, detector, time, 3)
    with pytest.raises(HangError, match="3 frames"):
        check_for(2, detector, time, 3)


def test_settled_frames_and_an_idle_worker_are_not_a_hang(detector: HangDetector, time: Time) -> None:
    for step in range(5):
        time.now_s += LONG_S
        detector.check(3, 100 + step, 1 + step)
    for step in range(5):
        time.now_s += LONG_S
        detector.check(0, 104, 10 + step)


def test_a_consumer_that_does_not_return_from_kafka_is_a_hang(detector: HangDetector, time: Time) -> None:
    detector.check(0, 0, 5)
    check_for(169, detector, time, 0, turns=5)
    with pytest.raises(HangError, match="consumer"):
        check_for(2, detector, time, 0, turns=5)


def test_a_process_that_was_paused_is_not_a_hang(detector: HangDetector, time: Time) -> None:
    """After SIGSTOP, or in a paused virtual machine, its threads had no time to run."""
    detector.check(3, 100, 1)
    time.now_s = LONG_S
    detector.check(3, 100, 1)
