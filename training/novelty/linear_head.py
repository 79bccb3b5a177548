"""A linear classifier on the features of a frozen backbone, in place of a fit of the run's own head."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import Task

_ITERATIONS_MAX = 300


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A fitted classifier. mean: [c], deviation: scale of the features. model: None if there is only one label."""

    mean: Array
    deviation: float
    model: Any

    @classmethod
    def fit(cls, features: Array, targets: Array, task: Task, seed: int) -> "LinearHead":
        """Fit a logistic regression. features: [n, c]. targets: [n, labels], 0 and 1; each label occurs.

        It resembles the head `gap`: linear, regularized, on features that are centred and scaled by one factor.
        """
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = float(np.sqrt(features.var(axis=0, dtype=np.float64).mean())) or 1.0
        scaled = (features - mean) / deviation
        linear = LogisticRegression(max_iter=_ITERATIONS_MAX, random_state=seed)
        if len(np.unique(targets, axis=0)) < 2:
            return cls(mean, deviation, None)
        if task == "multilabel":
            return cls(mean, deviation, OneVsRestClassifier(linear).fit(scaled, targets.astype(int)))
        return cls(mean, deviation, linear.fit(scaled, targets.argmax(axis=1)))

    def scores(self, features: Array, labels: int) -> Array:
        """Return the scores of frames, float32 [n, labels]; with a single combination of labels they are all 1."""
        if self.model is None:
            return np.ones((len(features), labels), np.float32)
        found = self.model.predict_proba((features - self.mean) / self.deviation)
        return np.asarray(found.reshape(len(features), -1), np.float32)
