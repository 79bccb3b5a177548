"""The labels that a model predicts, and their macro-F1: one definition for fitting, evaluation and export."""

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Task

Flags = NDArray[np.bool_]
Scores = NDArray[np.floating]


def best_label(scores: Scores) -> Flags:
    """[n, labels]: the label with the highest score, the first one of equals."""
    return np.asarray(np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None])


def predicted_labels(scores: Scores, task: Task) -> Flags:
    """[n, labels]: in multiclass the best label, in multilabel every label from 0.5 on."""
    return np.asarray(scores >= 0.5) if task == "multilabel" else best_label(scores)


def macro_f1(truth: Flags, predicted: Flags, weights: NDArray[np.generic] | None = None) -> NDArray[np.float64]:
    """The mean F1 of the labels that occur or are predicted, for each row of weights; NaN without such labels.

    truth, predicted: [n, labels]. weights: [resamples, n], how often each frame counts; None counts each once.
    scikit-learn's f1_score takes 200 times as long for 1,000 resamples, and reads a single label as two classes.
    """
    weights = np.ones((1, len(truth))) if weights is None else weights
    both, either = weights @ (truth & predicted), weights @ (truth.astype(int) + predicted)
    f1 = np.divide(2 * both, either, out=np.zeros(both.shape), where=either > 0)
    labels = (either > 0).sum(axis=1)
    return np.asarray(np.divide(f1.sum(axis=1), labels, out=np.full(len(labels), np.nan), where=labels > 0))
