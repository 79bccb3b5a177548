"""Distances of a novelty detector with random values."""

import numpy as np

from stripwatch.export.runs.relative_distance import RelativeDistance


def relative_distance(features: int, classes: int, seed: int = 5, weight: float = 0.9) -> RelativeDistance:
    """Return a distance whose quadratic forms are positive, as those of a fit are."""
    rng = np.random.default_rng(seed)
    whitening = rng.normal(size=(features, 8)).astype(np.float32)
    centres = rng.normal(size=(classes, 4)).astype(np.float32)
    linear, constant = -2 * whitening[:, :4] @ centres.T, (centres**2).sum(axis=1)
    centre = rng.normal(size=features).astype(np.float32)
    far = np.array([0.1], np.float32)
    return RelativeDistance(centre, whitening, linear, constant, np.array([weight], np.float32), far)
