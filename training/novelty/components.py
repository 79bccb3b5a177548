"""Fit of the components of the novelty score to training features."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from stripwatch.export.runs.novelty_components import Array, Component, Gaussian, Neighbours

RANK = 5  # neighbour whose distance counts: with the first one, a single mislabelled training frame hides novel frames
MEMORY_MAX = 2000  # training vectors kept; bounds the size of the bundle and the time per frame
_CLASS_FRAMES_MIN = 2  # the mean of a class with a single frame would be the frame itself


def fit_components(pooled: Sequence[Array], targets: Array, seed: int) -> tuple[Component, ...]:
    """Return neighbours and a Gaussian for each tap.

    pooled: features of each tap, [n, f]. targets: [n, labels], 0 or 1. seed: selects the vectors to keep if there are
    more than MEMORY_MAX.
    """
    classes = _classes(targets)
    parts = [(_neighbours(at, each, seed), _gaussian(at, each, classes)) for at, each in enumerate(pooled)]
    return tuple(part for pair in parts for part in pair)


def _neighbours(tap: int, features: Array, seed: int) -> Neighbours:
    centre = features.mean(axis=0, dtype=np.float64).astype(np.float32)
    kept = np.random.default_rng(seed).permutation(len(features))[:MEMORY_MAX]
    offset = features[np.sort(kept)] - centre
    length = np.maximum(np.linalg.norm(offset, axis=1, keepdims=True), 1e-6)
    return Neighbours(tap, min(RANK, len(offset)), centre, (offset / length).astype(np.float32))


def _gaussian(tap: int, features: Array, classes: NDArray[np.intp]) -> Gaussian:
    """Return a Gaussian with the covariance within classes, shrunk by the method of Ledoit and Wolf (2004)."""
    features = features.astype(np.float64)
    means = np.stack([features[classes == number].mean(axis=0) for number in range(classes.max() + 1)])
    covariance, _ = ledoit_wolf(features - means[classes], assume_centered=True)
    variances, axes = np.linalg.eigh(covariance)
    whitening = axes / np.sqrt(np.maximum(variances, 1e-12))
    return Gaussian(tap, whitening.astype(np.float32), (means @ whitening).astype(np.float32))


def _classes(targets: Array) -> NDArray[np.intp]:
    """Return the class of each frame, from 0: its set of labels; frames with a rare set form one class."""
    _, sets, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    classes = np.where(counts[sets] < _CLASS_FRAMES_MIN, -1, sets.reshape(-1))
    return np.unique(classes, return_inverse=True)[1]
