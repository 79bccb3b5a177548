"""Precision and recall at a threshold, counted with the same comparison that the worker uses."""

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.results.run_evaluation import OperatingPoint
from stripwatch.export.runs.predicted_labels import Flags, best_label
from stripwatch.export.runs.run_folder import Task

Scores = NDArray[np.float64]


def callable_labels(scores: Scores, task: Task) -> Flags:
    """Return the labels that each frame can be assigned, [n, labels]: all in multilabel, the best one in multiclass."""
    if task == "multilabel":
        return np.ones(scores.shape, bool)
    return best_label(scores)


def precision_recall(value: float, scores: Scores, positive: Flags, counts: Flags) -> tuple[float, float]:
    """Return precision and recall of one label at the threshold `value`; 0 / 0 counts as 0.

    scores: calibrated scores of the label, [n]. positive: frames that have the label, [n]. counts: frames that can be
    assigned the label, [n]. As in the worker, scores are compared in double precision with the number in the bundle's
    JSON.
    """
    assigned = counts & (scores.astype(np.float64) >= value)
    correct = int((assigned & positive).sum())
    return _ratio(correct, int(assigned.sum())), _ratio(correct, int(positive.sum()))


def operating_point(
    value: float, scores: Scores, positive: Flags, counts: Flags, precision_min: float = 0.0, recall_min: float = 0.0
) -> OperatingPoint:
    """Return the operating point of one label at the threshold `value`.

    precision_min, recall_min: the requested minimum; `reached` states if both are met. For the other arguments see
    precision_recall.
    """
    precision, recall = precision_recall(value, scores, positive, counts)
    return OperatingPoint(value, precision, recall, precision >= precision_min and recall >= recall_min - 1e-9)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
