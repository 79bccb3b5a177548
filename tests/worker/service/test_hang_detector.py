"""What no thread can say of itself."""

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


def check_for(seconds: int, detector: HangDetector, time: Time, frames_inside: int, turns: int | None = None) -> None:
    """Once a second, as often as the worker does at least. turns: None where the consumer comes back each time."""
    for step in range(seconds):
        time.now_s += 1
        detector.check(frames_inside, 100, step if turns is None else turns)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def detector(time: Time) -> HangDetector:
    return HangDetector(SETTINGS, time)


def test_frames_that_nobody_settles_are_a_hang(detector: HangDetector, time: Time) -> None:
    detector.check(3, 100, 1)
    check_for(179, detector, time, 3)
    with pytest.raises(HangError, match="3 frames"):
        check_for(2, detector, time, 3)


def test_frames_that_are_settled_and_an_empty_worker_are_none(detector: HangDetector, time: Time) -> None:
    for step in range(5):
        time.now_s += LONG_S
        detector.check(3, 100 + step, 1 + step)
    for step in range(5):
        time.now_s += LONG_S
        detector.check(0, 104, 10 + step)


def test_a_consumer_that_does_not_come_back_from_kafka_is_a_hang(detector: HangDetector, time: Time) -> None:
    detector.check(0, 0, 5)
    check_for(169, detector, time, 0, turns=5)
    with pytest.raises(HangError, match="consumer"):
        check_for(2, detector, time, 0, turns=5)


def test_a_process_that_stood_still_as_a_whole_does_not_hang(detector: HangDetector, time: Time) -> None:
    """SIGSTOP, or a virtual machine that was paused: its threads had no time to do anything in."""
    detector.check(3, 100, 1)
    time.now_s = LONG_S
    detector.check(3, 100, 1)
