"""Accuracy of features by cross-validation with linear heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.networks.classifier import FeatureScale
from stripwatch.training.novelty.linear_head import LinearHead
from stripwatch.training.preparation.stratified_split import SplitParts

HEAD_VERSION = 2  # part of the key of stored results; increase it when the heads change


@dataclass(frozen=True, slots=True)
class FoldHeads:
    """The heads of all folds. A logistic regression is convex, so it needs neither epochs nor a learning rate.

    `fit` fits the head `gap`, which is also linear and regularized, on the same features with the same scale, with
    Keras; that takes seconds for each fold, which a search with hundreds of candidates cannot afford.
    """

    folds: Sequence[SplitParts]
    scales: Sequence[FeatureScale]
    heads: Sequence[LinearHead]

    @classmethod
    def fit(
        cls,
        features: Array,
        widths: Sequence[int],
        targets: Array,
        folds: Sequence[SplitParts],
        task: Task,
        seed: int,
    ) -> "FoldHeads":
        """Fit a head on the training part of each fold.

        features: [n, f]. widths: number of features of each map that they come from. targets: [n, labels].
        """
        scales = [FeatureScale.of(features[part.train], widths) for part in folds]
        with threadpool_limits(1):  # on small matrices the threads of BLAS mostly wait for each other
            heads = [
                LinearHead.fit(scale.apply(features[part.train]), targets[part.train], task, seed)
                for part, scale in zip(folds, scales, strict=True)
            ]
        return cls(folds, scales, heads)

    def scores(self, features: Array, labels: int) -> Array:
        """Return the scores of all frames, each by the head of the fold that holds it out, float32 [n, labels]."""
        scores = np.empty((len(features), labels), np.float32)
        for part, scale, head in zip(self.folds, self.scales, self.heads, strict=True):
            scores[part.validation] = head.scores(scale.apply(features[part.validation]), labels)
        return scores


def find_right(scores: Array, targets: Array, task: Task) -> NDArray[np.bool_]:
    """Return whether all labels of each frame are right, bool [n]."""
    return np.asarray((predicted_labels(scores, task) == (targets > 0)).all(axis=1))
