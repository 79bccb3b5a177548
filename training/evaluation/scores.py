"""How good a model is, measured on frames it was not fitted on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from stripwatch.export.reporting.confidence_intervals import LEVEL
from stripwatch.export.runs.predicted_labels import Flags, macro_f1, predicted_labels
from stripwatch.export.runs.run_evaluation import Interval
from stripwatch.export.runs.run_folder import Task
from stripwatch.worker.model.bundle import ClassFigures, Validation

Matrix = NDArray[np.float32]
_RESAMPLES = 1000


def measure_scores(labels: Sequence[str], targets: Matrix, scores: Matrix, task: Task) -> Validation:
    """Accuracy, and precision, recall and F1 a label; 0 where a figure is 0 / 0.

    targets: [n, labels] of 0 and 1. scores: [n, labels]. A frame counts as right when all its labels are.
    """
    truth, said = targets > 0, predicted_labels(scores, task)
    right, called, there = (truth & said).sum(axis=0), said.sum(axis=0), truth.sum(axis=0)
    classes = {
        label: ClassFigures(_ratio(tp, n_said), _ratio(tp, n_true), _ratio(2 * tp, n_said + n_true), int(n_true))
        for label, tp, n_said, n_true in zip(labels, right, called, there, strict=True)
    }
    return Validation(len(truth), float((truth == said).all(axis=1).mean()), classes)


def average_precisions(labels: Sequence[str], targets: Matrix, scores: Matrix) -> dict[str, float | None]:
    """Area under precision over recall, a label; None for one without frames."""
    return {
        label: float(average_precision_score(targets[:, at], scores[:, at])) if targets[:, at].any() else None
        for at, label in enumerate(labels)
    }


def macro_f1_interval(truth: Flags, said: Flags, seed: int) -> Interval | None:
    """The macro-F1 with a bootstrap interval over frames.

    None where no frame has a label and none is given one: F1 is 0 / 0 then. Resamples without any are left out.
    """
    if not (truth.any() or said.any()):
        return None
    draws = np.random.default_rng(seed).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), _RESAMPLES)
    value = float(macro_f1(truth, said)[0])
    low, high = np.nanquantile(macro_f1(truth, said, draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
