"""Precision and recall at a threshold, counted at its value with the comparison of the worker."""

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.predicted_labels import Flags, best_label
from stripwatch.export.runs.run_evaluation import OperatingPoint
from stripwatch.export.runs.run_folder import Task

Scores = NDArray[np.float64]


def callable_labels(scores: Scores, task: Task) -> Flags:
    """Whether a frame can be called a label at all, [n, labels]: in multiclass its best label alone."""
    if task == "multilabel":
        return np.ones(scores.shape, bool)
    return best_label(scores)


def precision_recall(value: float, scores: Scores, positive: Flags, counts: Flags) -> tuple[float, float]:
    """Precision and recall of calling the label where a frame counts and its score is at or above value; 0 for 0 / 0.

    scores: calibrated, of one label. counts: the frames that can be called this label. The comparison is in double
    precision, as the worker's: a float32 score is compared with the number in the bundle's JSON.
    """
    called = counts & (scores.astype(np.float64) >= value)
    right = int((called & positive).sum())
    return _ratio(right, int(called.sum())), _ratio(right, int(positive.sum()))


def operating_point(
    value: float, scores: Scores, positive: Flags, counts: Flags, precision_min: float = 0.0, recall_min: float = 0.0
) -> OperatingPoint:
    """The figures at a value. precision_min, recall_min: what was asked for, which `reached` compares with."""
    precision, recall = precision_recall(value, scores, positive, counts)
    return OperatingPoint(value, precision, recall, precision >= precision_min and recall >= recall_min - 1e-9)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
