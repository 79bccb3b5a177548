import math

import numpy as np
import pytest

from stripwatch.training.anomaly.calibration import calibrate, frame_distances, top_places
from stripwatch.training.novelty.detector import choose_threshold

pytestmark = pytest.mark.training


@pytest.mark.parametrize(("cells", "top"), [((4, 4), 1), ((14, 14), 6), ((14, 100), 6), ((100, 14), 6)])
def test_the_number_of_places_depends_on_the_shorter_side(cells: tuple[int, int], top: int) -> None:
    assert top_places(cells) == top


def test_the_distance_of_a_frame_is_the_mean_of_its_most_distant_places() -> None:
    places = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    assert frame_distances(places, 2).tolist() == [7.5, 16.5]


def test_the_threshold_is_exceeded_by_the_share_of_frames_that_was_asked_for() -> None:
    distances = np.random.default_rng(1).lognormal(size=999).astype(np.float32)
    found = calibrate(distances, 2 * distances, 1, 0.05, choose_threshold)
    assert (distances > found.frame).sum() == 49
    assert found.place == pytest.approx(2 * found.frame)
    assert not found.limited


def test_the_median_frame_has_a_low_score_and_the_threshold_one_half() -> None:
    distances = np.linspace(0.5, 1.5, 199, dtype=np.float32)
    found = calibrate(distances, distances, 1, 0.01, choose_threshold)
    median = float(np.median(distances))
    assert 1 / (1 + (found.frame / median) ** found.steepness) == pytest.approx(0.05)
    assert math.isfinite(found.steepness)


def test_too_few_frames_for_the_rate_are_reported() -> None:
    distances = np.linspace(1, 2, 30, dtype=np.float32)
    found = calibrate(distances, distances, 1, 0.01, choose_threshold)
    assert found.limited
    assert found.frame == 2


def test_equal_distances_give_a_bounded_steepness() -> None:
    equal = np.ones(50, np.float32)
    assert calibrate(equal, equal, 1, 0.1, choose_threshold).steepness == 20


def test_distances_of_zero_give_finite_parameters() -> None:
    zero = np.zeros(50, np.float32)
    found = calibrate(zero, zero, 1, 0.1, choose_threshold)
    assert found.frame > 0
    assert found.place > 0
    assert found.steepness == 20


def test_a_median_of_zero_gives_a_finite_steepness() -> None:
    mostly_zero = np.asarray([0] * 30 + [1] * 20, np.float32)
    found = calibrate(mostly_zero, mostly_zero, 1, 0.1, choose_threshold)
    assert found.frame == 1
    assert 1 <= found.steepness <= 20
