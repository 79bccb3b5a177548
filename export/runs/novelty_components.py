"""Components of the novelty score: each measures in one way how far a frame is from the training frames.

Each formula is written once and runs on numpy arrays and on Keras tensors: `ops` is numpy or keras.ops, which share
their names. Arrays are float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
_SQUARE_MIN = 1e-12  # keeps the length of a zero vector from dividing by 0


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Cosine distance to the k-th nearest training vector.

    Sun et al. 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors" (https://arxiv.org/abs/2204.06507).
    tap: position of the features among the taps. rank: k, from 1. centre: [f], subtracted from the features.
    memory: [m, f], training vectors minus the centre, of length 1; m is at least k.
    """

    tap: int
    rank: int
    centre: Array
    memory: Array

    def __post_init__(self) -> None:
        """Raise ValueError if the shapes do not match."""
        _check(self.centre.ndim == 1 and self.memory.shape[1:] == self.centre.shape, "centre and memory do not match")
        _check(1 <= self.rank <= len(self.memory), "the rank exceeds the number of vectors")

    def distance(self, pooled: Sequence[Any], _scores: Any, ops: Any) -> Any:
        """Return the distance, 0 to 2, [n]."""
        offset = pooled[self.tap] - self.centre
        length = ops.sqrt(ops.maximum(ops.sum(offset * offset, axis=1, keepdims=True), _SQUARE_MIN))
        similarity = ops.matmul(offset / length, np.ascontiguousarray(self.memory.T))
        return 1.0 - _kth_largest(similarity, self.rank, ops)


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """Mahalanobis distance to the nearest class mean, with one covariance for all classes.

    Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples"
    (https://arxiv.org/abs/1807.03888). tap: position of the features among the taps. whitening: [f, r], maps features
    to a space in which the covariance is the identity. means: [k, r], class means in this space.
    """

    tap: int
    whitening: Array
    means: Array

    def __post_init__(self) -> None:
        """Raise ValueError if the shapes do not match."""
        _check(self.whitening.ndim == self.means.ndim == 2, "whitening and means must have two axes")
        _check(
            self.whitening.shape[1] == self.means.shape[1] and len(self.means) > 0, "whitening and means do not match"
        )

    def distance(self, pooled: Sequence[Any], _scores: Any, ops: Any) -> Any:
        """Return the distance in standard deviations, [n]."""
        white = ops.matmul(pooled[self.tap], self.whitening)
        offsets = ops.expand_dims(white, 1) - self.means
        return ops.sqrt(ops.min(ops.sum(offsets * offsets, axis=2), axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class RelativeDistance:
    """Distance to the nearest class, relative to the distance to all training frames, of the features of all taps.

    The score is log(1 + D / p) - weight * log(1 + G / p). D: squared Mahalanobis distance to the nearest class mean,
    with the covariance within classes. G: squared Mahalanobis distance to the mean of all frames, with their
    covariance. The difference of both distances cancels directions in which all frames vary: Ren et al. 2021, "A Simple
    Fix to Mahalanobis Distance for Improving Near-OOD Detection" (https://arxiv.org/abs/2106.09022). The logarithms are
    those of densities with heavy tails (Student's t), so that neither distance dominates far from the training frames.

    Both distances are quadratic in the features x: D for class k is |(x - centre) A|^2 + (x - centre) l_k + c_k. This
    takes half of the operators that differences to each mean take; for a small network, their number is most of the
    cost.

    centre: [f]. whitening: [f, 2p], the matrices A of D and of G side by side, divided by the root of p. linear:
    [f, k], the l_k divided by p. constant: [k], the c_k divided by p. weight: [1].
    """

    centre: Array
    whitening: Array
    linear: Array
    constant: Array
    weight: Array

    def __post_init__(self) -> None:
        """Raise ValueError if the shapes do not match."""
        features, classes = self.centre.shape, self.constant.shape
        _check(self.whitening.ndim == 2 and self.whitening.shape[:1] == features, "centre and whitening do not match")
        _check(self.whitening.shape[1] % 2 == 0, "whitening must have an even number of columns")
        _check(
            self.linear.shape == (*features, *classes) and len(self.constant) > 0, "linear and constant do not match"
        )
        _check(self.weight.shape == (1,), "weight must be one number")

    def distance(self, pooled: Sequence[Any], _scores: Any, ops: Any) -> Any:
        """Return the score, [n]."""
        offset, classes = ops.concatenate(list(pooled), axis=1) - self.centre, len(self.constant)
        white = ops.matmul(offset, self.whitening)
        linear = np.pad(self.linear, ((0, 0), (0, 1)))
        constant = np.append(self.constant + 1, np.float32(1))
        squares = ops.matmul(white * white, self._sums()) + (ops.matmul(offset, linear) + constant)
        logs = ops.log(ops.maximum(squares, 1.0))  # rounding may give less than 1
        return ops.min(logs[:, :classes], axis=1) - logs[:, classes] * float(self.weight[0])

    def _sums(self) -> Array:
        """Return a matrix that sums the first half of the columns for each class, and the second half once."""
        half, classes = self.whitening.shape[1] // 2, len(self.constant)
        return np.repeat(np.eye(2, dtype=np.float32), half, axis=0)[:, [0] * classes + [1]]


@dataclass(frozen=True, slots=True, eq=False)
class Uncertainty:
    """1 minus the best score of the classifier.

    Hendrycks and Gimpel 2017, "A Baseline for Detecting Misclassified and Out-of-Distribution Examples"
    (https://arxiv.org/abs/1610.02136).
    """

    def distance(self, _pooled: Sequence[Any], scores: Any, ops: Any) -> Any:
        """Return the uncertainty, 0 to 1, [n]."""
        return 1.0 - ops.max(scores, axis=1)


Component = Neighbours | Gaussian | RelativeDistance | Uncertainty
COMPONENTS: dict[str, type[Component]] = {
    "neighbours": Neighbours,
    "gaussian": Gaussian,
    "relative-distance": RelativeDistance,
    "uncertainty": Uncertainty,
}


def _kth_largest(values: Any, rank: int, ops: ModuleType) -> Any:
    """Return the value with this rank in each row, counted from 1, [n]."""
    if ops is np:
        return np.partition(values, -rank, axis=1)[:, -rank]
    return ops.top_k(values, rank)[0][:, rank - 1]


def _check(valid: bool, problem: str) -> None:
    if not valid:
        raise ValueError(problem)
