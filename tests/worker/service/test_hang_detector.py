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


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def detector(time: Time) -> HangDetector:
    return HangDetector(SETTINGS, time)


def test_frames_that_nobody_settles_are_a_hang(detector: HangDetector, time: Time) -> None:
    detector.check(3, 100, 1)
    time.now_s = 179
    detector.check(3, 100, 2)
    time.now_s = 181
    with pytest.raises(HangError, match="3 frames"):
        detector.check(3, 100, 3)


def test_frames_that_are_settled_and_an_empty_worker_are_none(detector: HangDetector, time: Time) -> None:
    for step in range(5):
        time.now_s += LONG_S
        detector.check(3, 100 + step, 1 + step)
    for step in range(5):
        time.now_s += LONG_S
        detector.check(0, 104, 10 + step)


def test_a_consumer_that_does_not_come_back_from_kafka_is_a_hang(detector: HangDetector, time: Time) -> None:
    detector.check(0, 0, 5)
    time.now_s = 169
    detector.check(0, 0, 5)
    time.now_s = 171
    with pytest.raises(HangError, match="consumer"):
        detector.check(0, 0, 5)
