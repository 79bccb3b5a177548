import numpy as np
import pytest

from stripwatch.training.anomaly.gaussian import Moments

pytestmark = pytest.mark.training
MIXING = np.eye(6) + 0.2 * np.random.default_rng(3).normal(size=(6, 6))
CLEAN = (np.random.default_rng(4).normal(size=(4000, 6)) @ MIXING + 5).astype(np.float32)


def test_clean_places_have_a_mean_distance_of_one() -> None:
    every, local = Moments.of(CLEAN, CLEAN[0]).whitening().distances(CLEAN, 3)
    assert every.mean() == pytest.approx(1, abs=0.05)
    assert local.mean() == pytest.approx(1, abs=0.05)


def test_a_deviation_is_measured_relative_to_the_variance_in_its_direction() -> None:
    whitening = Moments.of(CLEAN, CLEAN[0]).whitening()
    axes, scales, _ = np.linalg.svd(np.cov(CLEAN.T))
    probes = CLEAN.mean(axis=0) + 3 * axes.T * np.sqrt(scales)[:, None]  # three deviations along each axis
    every, _ = whitening.distances(probes.astype(np.float32), 1)
    assert every[scales > 0.1 * scales.mean()] == pytest.approx(9 / 6, rel=0.1)


def test_local_distances_are_those_of_the_first_features_alone() -> None:
    _, local = Moments.of(CLEAN, CLEAN[0]).whitening().distances(CLEAN, 2)
    alone, _ = Moments.of(CLEAN[:, :2], CLEAN[0, :2]).whitening().distances(CLEAN[:, :2], 2)
    assert local == pytest.approx(alone, rel=0.05)


def test_moments_of_parts_add_up() -> None:
    origin = CLEAN[0]
    parts = Moments.of(CLEAN[:1000], origin) + Moments.of(CLEAN[1000:], origin)
    found, expected = parts.whitening(), Moments.of(CLEAN, origin).whitening()
    assert found.mean == pytest.approx(expected.mean, rel=1e-4)
    assert found.matrix == pytest.approx(expected.matrix, rel=1e-3, abs=1e-4)


def test_constant_features_give_finite_distances() -> None:
    constant = np.concatenate([CLEAN, np.full((len(CLEAN), 1), 7, np.float32)], axis=1)
    every, _ = Moments.of(constant, constant[0]).whitening().distances(constant, 1)
    assert np.isfinite(every).all()
