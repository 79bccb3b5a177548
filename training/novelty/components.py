"""Fit of the novelty score to training features."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
# With changed copies, every class has several means, so the distances differ enough for a share of 1.
_MOST_WEIGHT_CHANGED = 1.0
# Share of the covariances that comes from changed copies. Chosen, like the means for each kind of change, by
# cross-validation on a training part of NEU (benchmarks, "Noise and novelty").
_CHANGED_SHARE = 0.1
_GROUP_MIN = 5  # fewer copies of a class with one kind of change have no mean of their own
# Least deviation of a feature, as share of the mean deviation. With a smaller one, the rounding errors of a feature
# that hardly varies would become a large distance.
_DEVIATION_MIN = 1e-3
_POSITIVE_MIN = 1e-9  # smaller deviations and variances are rounding errors of 0


@dataclass(frozen=True, slots=True)
class ChangedFrames:
    """Features of changed copies of the training frames, which are known as well.

    pooled: for each copy, the features of each tap, [n, f]. kinds: number of the kind of change, [copies, n].
    """

    pooled: Sequence[Sequence[Array]]
    kinds: NDArray[np.intp]

    def at(self, rows: Sequence[int] | NDArray[np.intp]) -> "ChangedFrames":
        """Return the copies of the frames at these positions."""
        return ChangedFrames([[each[rows] for each in copy] for copy in self.pooled], self.kinds[:, rows])


def fit_distance(
    pooled: Sequence[Array],
    targets: Array,
    weight: float,
    axes_max: int = AXES_MAX,
    changed: ChangedFrames | None = None,
) -> RelativeDistance:
    """Return the relative distance for these training frames.

    With changed copies, each class also has a mean for each kind of change, so that a changed frame is near to one of
    them, and the copies contribute to both covariances. The principal components are those of the frames.

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
    covariances = [_covariance(values - means[classes]), _covariance(values)]
    if changed is not None:
        # One copy at a time: all of them in double precision would take several times the memory of the features.
        moved = np.concatenate(
            [((np.concatenate(list(copy), axis=1) - centre) * factor) @ axes for copy in changed.pooled]
        )
        groups = np.tile(classes, len(changed.pooled)) * (changed.kinds.max() + 1) + changed.kinds.ravel()
        _, groups, counts = np.unique(groups, return_inverse=True, return_counts=True)
        centres_moved = np.stack([moved[groups == number].mean(axis=0) for number in range(len(counts))])
        means = np.concatenate([means, centres_moved[counts >= _GROUP_MIN]])
        of_copies = [_covariance(moved - centres_moved[groups]), _covariance(moved)]
        covariances = [
            (1 - _CHANGED_SHARE) * frames + _CHANGED_SHARE * copy
            for frames, copy in zip(covariances, of_copies, strict=True)
        ]
    within, total = map(_whitening, covariances)
    to_axes, size, centres = factor[:, None] * axes, axes.shape[1], means @ within
    whitening = to_axes @ np.concatenate([within, total], axis=1) / math.sqrt(size)
    linear = -2 * to_axes @ within @ centres.T / size
    constant = (centres**2).sum(axis=1) / size
    arrays = (centre, whitening, linear, constant, np.array([weight]), np.zeros(1))
    return RelativeDistance(*(each.astype(np.float32) for each in arrays))


def weight_of(targets: Array, changed: bool = False) -> float:
    """Return the weight of the distance to all frames.

    targets: of all training frames, [n, labels]. changed: whether their changed copies are known, too.
    """
    at = min(label_sets(targets).max(), len(_WEIGHTS) - 1)
    return _MOST_WEIGHT_CHANGED if changed and at == len(_WEIGHTS) - 1 else _WEIGHTS[at]


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


def _covariance(values: Doubles) -> Doubles:
    """Return the covariance of values with mean 0. values: [n, p]."""
    covariance: Doubles = values.T @ values / len(values)
    return covariance


def _whitening(covariance: Doubles) -> Doubles:
    """Return a matrix that maps values to a space in which their shrunk covariance, [p, p], is the identity."""
    variances, axes = np.linalg.eigh(covariance)
    shrunk = (1 - _SHRINKAGE) * variances + _SHRINKAGE * variances.mean()
    whitening: Doubles = axes / np.sqrt(np.maximum(shrunk, _POSITIVE_MIN))
    return whitening
