"""The speed of a line, from positions and times as cameras send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.dashboard.state.line_speed import LineSpeed, camera_speed_mps

BEGIN_MS = 1_800_000_000_000


def speed_of(samples: list[tuple[int, int | None]], later_ms: int = 0, camera: str = "a") -> float | None:
    speed = LineSpeed()
    for at_ms, position_mm in samples:
        speed.add(camera, BEGIN_MS + at_ms, position_mm, BEGIN_MS + at_ms + 50)
    return speed.mps(BEGIN_MS + samples[-1][0] + 50 + later_ms)


def steady(mps: float, frames: int = 200, step_ms: int = 33, start_mm: int = 0) -> list[tuple[int, int | None]]:
    return [(number * step_ms, start_mm + round(number * step_ms * mps)) for number in range(frames)]


@given(st.floats(-50, 50), st.integers(10, 1000), st.integers(-1_000_000, 1_000_000))
def test_a_steady_speed_is_found_for_any_frame_rate_and_direction(mps: float, step_ms: int, start_mm: int) -> None:
    found = speed_of(steady(mps, step_ms=step_ms, start_mm=start_mm))
    assert (found or 0) == pytest.approx(mps, abs=0.02)


@given(st.integers(0, 199), st.sampled_from([-500_000, 500_000]))
def test_an_encoder_reset_or_a_wrong_position_at_any_moment_changes_nothing(at: int, jump_mm: int) -> None:
    samples = steady(5)
    reset = [(ms, (mm or 0) + jump_mm * (number >= at)) for number, (ms, mm) in enumerate(samples)]
    assert speed_of([*reset]) == pytest.approx(5, abs=0.02)
    wrong = [(ms, (mm or 0) + jump_mm * (number == at)) for number, (ms, mm) in enumerate(samples)]
    assert speed_of([*wrong]) == pytest.approx(5, abs=0.02)


@pytest.mark.parametrize(
    "samples",
    [
        [(0, None), (500, None), (1000, None)],
        [(0, 0), (1000, 5000)],
        [(0, 0), (100, 500), (200, 1000)],
        steady(0),
    ],
    ids=["no positions", "two frames", "too short a time", "stands still"],
)
def test_has_no_speed_without_enough_positions_that_change(samples: list[tuple[int, int | None]]) -> None:
    assert speed_of(samples) is None


def test_has_no_speed_when_frames_stop_arriving() -> None:
    assert [speed_of(steady(5), later_ms) is None for later_ms in (10_000, 10_001)] == [False, True]


def test_follows_a_change_of_speed_and_of_direction_within_the_window() -> None:
    forward = steady(5)
    back = [(ms + 6600, 33_000 - round(ms * 2)) for ms, _ in steady(2)]
    assert speed_of([*forward, *back]) == pytest.approx(-2, abs=0.02)


def test_the_median_of_the_cameras_ignores_one_with_a_wrong_scale_and_one_that_has_stopped() -> None:
    speed = LineSpeed()
    for camera, mps in (("a", 5.0), ("b", 5.0), ("c", 50.0)):
        for at_ms, mm in steady(mps):
            speed.add(camera, BEGIN_MS + at_ms, mm, BEGIN_MS + at_ms)
    for at_ms, mm in steady(9.0):
        speed.add("old", BEGIN_MS - 60_000 + at_ms, mm, BEGIN_MS)
    assert speed.mps(BEGIN_MS + 6600) == pytest.approx(5, abs=0.02)


def test_memory_is_bounded() -> None:
    speed = LineSpeed()
    for number in range(20_000):
        speed.add(f"camera {number % 200}", BEGIN_MS + number, number, BEGIN_MS + number)
    assert len(speed._cameras) == 64
    assert max(map(len, speed._cameras.values())) <= 51


def test_one_camera_needs_samples_over_half_a_second() -> None:
    assert camera_speed_mps([(0, 0), (200, 1), (499, 2)]) is None
    assert camera_speed_mps([(0, 0), (200, 400), (500, 1000)]) == 2
