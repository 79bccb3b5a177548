"""Predicted labels and macro-F1, defined once for fitting, evaluation and export."""

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Task

Flags = NDArray[np.bool_]
Scores = NDArray[np.floating]


def best_label(scores: Scores) -> Flags:
    """Return flags [n, labels] that mark the label with the highest score (the first one on a tie)."""
    return np.asarray(np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None])


def predicted_labels(scores: Scores, task: Task) -> Flags:
    """Return flags [n, labels]: the best label in multiclass, every label scored 0.5 or higher in multilabel."""
    return np.asarray(scores >= 0.5) if task == "multilabel" else best_label(scores)


def macro_f1(truth: Flags, predicted: Flags, weights: NDArray[np.generic] | None = None) -> NDArray[np.float64]:
    """Return the macro-F1, [resamples]: the mean F1 of the labels that occur or are predicted; NaN if there are none.

    truth, predicted: [n, labels]. weights: [resamples, n], how often each frame counts; None counts each frame once.
    scikit-learn's f1_score takes 200 times as long for 1,000 resamples, and treats a single label as two classes.
    """
    weights = np.ones((1, len(truth))) if weights is None else weights
    both, either = weights @ (truth & predicted), weights @ (truth.astype(int) + predicted)
    f1 = np.divide(2 * both, either, out=np.zeros(both.shape), where=either > 0)
    labels = (either > 0).sum(axis=1)
    return np.asarray(np.divide(f1.sum(axis=1), labels, out=np.full(len(labels), np.nan), where=labels > 0))
