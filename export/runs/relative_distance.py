"""Distance of a frame from the training frames, on which the novelty score is based.

The formula is written once and runs on numpy arrays and on Keras tensors: `ops` is numpy or keras.ops, which share
their names. Arrays are float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class RelativeDistance:
    """Distance to the nearest class, relative to the distance to all training frames, of the features of all taps.

    The score is (1 + D / p) / (1 + G / p)^weight. D: squared Mahalanobis distance to the nearest class mean, with the
    covariance within classes. G: squared Mahalanobis distance to the mean of all frames, with their covariance.
    Comparing both cancels directions in which all frames vary: Ren et al. 2021, "A Simple Fix to Mahalanobis Distance
    for Improving Near-OOD Detection" (https://arxiv.org/abs/2106.09022). A ratio, as of densities with heavy tails
    (Student's t), keeps one distance from dominating far from the training frames. It is positive, so multiples of a
    threshold have a meaning, which they would not have for the difference of the logarithms.

    A frame that is far from everything, such as a black one, has a large D and a large G, so their ratio says little.
    Therefore the score is at least far * (1 + D / p).

    Both distances are quadratic in the features x: D for class k is |(x - centre) A|^2 + (x - centre) l_k + c_k. This
    takes half of the operators that differences to each mean take; for a small network, their number is most of the
    cost.

    centre: [f]. whitening: [f, 2p], the matrices A of D and of G side by side, divided by the root of p. linear:
    [f, k], the l_k divided by p. constant: [k], the c_k divided by p. weight: [1]. far: [1]; 0 leaves the ratio alone.
    """

    centre: Array
    whitening: Array
    linear: Array
    constant: Array
    weight: Array
    far: Array

    def __post_init__(self) -> None:
        """Raise ValueError if the shapes do not match."""
        features, classes = self.centre.shape, self.constant.shape
        _check(self.whitening.ndim == 2 and self.whitening.shape[:1] == features, "centre and whitening do not match")
        _check(self.whitening.shape[1] % 2 == 0, "whitening must have an even number of columns")
        _check(
            self.linear.shape == (*features, *classes) and len(self.constant) > 0, "linear and constant do not match"
        )
        _check(self.weight.shape == self.far.shape == (1,), "weight and far must each be one number")

    def score(self, pooled: Sequence[Any], ops: Any) -> Any:
        """Return the novelty score, above 0, [n]. pooled: features of each tap, [n, f]. ops: numpy or keras.ops."""
        near, total = self.distances(pooled, ops)
        return ops.maximum(near / ops.power(total, float(self.weight[0])), near * float(self.far[0]))

    def distances(self, pooled: Sequence[Any], ops: Any) -> tuple[Any, Any]:
        """Return 1 + D / p and 1 + G / p, each [n]."""
        offset, classes = ops.concatenate(list(pooled), axis=1) - self.centre, len(self.constant)
        white = ops.matmul(offset, self.whitening)
        linear = np.pad(self.linear, ((0, 0), (0, 1)))
        constant = np.append(self.constant + 1, np.float32(1))
        squares = ops.matmul(white * white, self._sums()) + (ops.matmul(offset, linear) + constant)
        squares = ops.maximum(squares, 1.0)  # rounding may give less than 1
        return ops.min(squares[:, :classes], axis=1), squares[:, classes]

    def _sums(self) -> Array:
        """Return a matrix that sums the first half of the columns for each class, and the second half once."""
        half, classes = self.whitening.shape[1] // 2, len(self.constant)
        return np.repeat(np.eye(2, dtype=np.float32), half, axis=0)[:, [0] * classes + [1]]


def _check(valid: bool, problem: str) -> None:
    if not valid:
        raise ValueError(problem)
