"""Fit of the novelty score to training features."""

import math
from collections.abc import Sequence

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from stripwatch.export.runs.relative_distance import Array, RelativeDistance

Doubles = NDArray[np.float64]
AXES_MAX = 200  # principal components kept; bounds the size of the bundle and the time per frame
FRAMES_PER_AXIS = 2  # fewer frames per component leave the covariances undetermined
_SHRINKAGE = 0.2  # of both covariances towards a multiple of the identity
# Share of the distance to all frames, by number of classes, from 1. The fewer classes there are, the less that distance
# differs from the one to the nearest class, until both cancel each other. With 1, steel of the same texture but another
# contrast is missed if the classes barely differ.
_WEIGHTS = (0.0, 0.5, 0.9, 0.95)
# Least deviation of a feature, as share of the mean deviation. With a smaller one, the rounding errors of a feature
# that hardly varies would become a large distance.
_DEVIATION_MIN = 1e-3
_POSITIVE_MIN = 1e-9  # smaller deviations and variances are rounding errors of 0


def fit_distance(pooled: Sequence[Array], targets: Array, weight: float, axes_max: int = AXES_MAX) -> RelativeDistance:
    """Return the relative distance for these training frames.

    pooled: features of each tap, [n, f]. targets: [n, labels], 0 or 1. weight: as returned by `weight_of`.
    axes_max: largest number of principal components. Only scores with the same number are comparable.
    """
    features = np.concatenate(list(pooled), axis=1).astype(np.float64)
    centre, deviation = features.mean(axis=0), features.std(axis=0)
    least = _DEVIATION_MIN * deviation.mean()
    # A constant feature is ignored, because any other value of it would be infinitely far away.
    factor = np.where(deviation > _POSITIVE_MIN, 1 / np.maximum(deviation, max(least, _POSITIVE_MIN)), 0)
    standard = (features - centre) * factor
    axes = _principal_axes(standard, axes_max)
    values, classes = standard @ axes, label_sets(targets)
    means = np.stack([values[classes == number].mean(axis=0) for number in range(classes.max() + 1)])
    within, total = (_whitening(each) for each in (values - means[classes], values))
    to_axes, size, centres = factor[:, None] * axes, axes.shape[1], means @ within
    whitening = to_axes @ np.concatenate([within, total], axis=1) / math.sqrt(size)
    linear = -2 * to_axes @ within @ centres.T / size
    constant = (centres**2).sum(axis=1) / size
    arrays = (centre, whitening, linear, constant, np.array([weight]), np.zeros(1))
    return RelativeDistance(*(each.astype(np.float32) for each in arrays))


def weight_of(targets: Array) -> float:
    """Return the weight of the distance to all frames. targets: of all training frames, [n, labels]."""
    return _WEIGHTS[min(label_sets(targets).max(), len(_WEIGHTS) - 1)]


def label_sets(targets: Array) -> NDArray[np.intp]:
    """Return the class of each frame, from 0: its set of labels. Frames with a set of their own form one class."""
    _, sets, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    sets = sets.reshape(-1)
    return np.unique(np.where(counts[sets] == 1, -1, sets), return_inverse=True)[1]


def _principal_axes(standard: Doubles, axes_max: int) -> Doubles:
    """Return the principal axes, [f, p], of features with mean 0."""
    frames, features = standard.shape
    count = max(1, min(axes_max, features, frames // FRAMES_PER_AXIS))
    if features <= frames:
        return _last_eigenvectors(standard.T @ standard, count)[1]
    squares, sides = _last_eigenvectors(standard @ standard.T, count)  # the smaller of both matrices
    return standard.T @ sides / np.sqrt(np.maximum(squares, _POSITIVE_MIN))


def _last_eigenvectors(matrix: Doubles, count: int) -> tuple[Doubles, Doubles]:
    """Return the largest eigenvalues, [count], and their eigenvectors, [n, count]."""
    values, vectors = scipy.linalg.eigh(matrix, subset_by_index=[len(matrix) - count, len(matrix) - 1])
    return values, vectors


def _whitening(values: Doubles) -> Doubles:
    """Return a matrix that maps values to a space in which their shrunk covariance is the identity. values: [n, p]."""
    covariance = values.T @ values / len(values)
    variances, axes = np.linalg.eigh(covariance)
    shrunk = (1 - _SHRINKAGE) * variances + _SHRINKAGE * variances.mean()
    whitening: Doubles = axes / np.sqrt(np.maximum(shrunk, _POSITIVE_MIN))
    return whitening
