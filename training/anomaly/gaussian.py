"""A Gaussian distribution of the features of clean places, in bounded memory, and the Mahalanobis distance from it.

One distribution serves all places, since a strip moves through the frame. Its directions of low variance, which a
projection onto the main components would discard, are those that reveal anomalies (Rippel et al. 2020, "Modeling the
Distribution of Normal Data in Pre-Trained Deep Features for Anomaly Detection", https://arxiv.org/abs/2005.14140; with
one distribution per place: PaDiM, Defard et al. 2020, https://arxiv.org/abs/2011.08785).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

Features = NDArray[np.float32]
Double = NDArray[np.float64]
_SHRINKAGE = 1e-3  # bounds the gain of directions without variance, in which only rounding errors differ


@dataclass(frozen=True, slots=True)
class Whitening:
    """Linear map to features of unit covariance. mean: float32 [f]. matrix: float32 [f, f], upper triangular.

    A whitened feature therefore depends only on the features before it, and the first ones are the whitening of the
    first features alone.
    """

    mean: Features
    matrix: Features

    def distances(self, features: Features, local: int) -> tuple[Features, Features]:
        """Return the distances of places in all features, and in the first `local` ones alone; each [...].

        A distance is the squared Mahalanobis distance divided by the number of features. features: [..., f].
        """
        squared = np.square((features - self.mean) @ self.matrix)
        every, first = squared.mean(axis=-1), squared[..., :local].mean(axis=-1)
        return np.asarray(every, np.float32), np.asarray(first, np.float32)


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over places, from which mean and covariance follow. Moments of disjoint frames can be added.

    count: of places. origin: point that all features are relative to, float32 [f], for precision. first: float64 [f].
    second: float64 [f, f].
    """

    count: int
    origin: Features
    first: Double
    second: Double

    @classmethod
    def of(cls, features: Features, origin: Features) -> "Moments":
        """Return the moments of places, [n, f]."""
        centred = features - origin
        return cls(len(centred), origin, centred.sum(axis=0, dtype=np.float64), (centred.T @ centred).astype(float))

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.origin, self.first + other.first, self.second + other.second)

    def whitening(self) -> Whitening:
        """Return the whitening of the Gaussian with these moments, whose covariance is shrunk towards a sphere."""
        mean = self.first / self.count
        covariance = self.second / self.count - np.outer(mean, mean)
        size = len(mean)
        covariance[np.diag_indices(size)] += _SHRINKAGE * max(float(np.trace(covariance)) / size, 1e-12)
        lower = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        inverse = solve_triangular(lower, np.eye(size), lower=True, overwrite_b=True, check_finite=False)
        return Whitening((self.origin + mean).astype(np.float32), np.ascontiguousarray(inverse.T, np.float32))
