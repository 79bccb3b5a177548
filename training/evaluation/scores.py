"""Classification metrics, measured on frames that the model was not fitted on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from stripwatch.export.reporting.confidence_intervals import LEVEL
from stripwatch.export.results.run_evaluation import Interval
from stripwatch.export.runs.predicted_labels import Flags, macro_f1, predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.worker.contracts.model.model_record import ClassFigures, Validation

Matrix = NDArray[np.float32]
_RESAMPLES = 1000


def measure_scores(labels: Sequence[str], targets: Matrix, scores: Matrix, task: Task) -> Validation:
    """Return the accuracy, and precision, recall and F1 of each label; 0 / 0 counts as 0.

    targets: [n, labels], 0 and 1. scores: [n, labels]. A frame counts as correct if all its labels are correct.
    """
    truth, predicted = targets > 0, predicted_labels(scores, task)
    counts = zip(labels, (truth & predicted).sum(axis=0), predicted.sum(axis=0), truth.sum(axis=0), strict=True)
    classes = {
        label: ClassFigures(_ratio(tp, n_pred), _ratio(tp, n_true), _ratio(2 * tp, n_pred + n_true), int(n_true))
        for label, tp, n_pred, n_true in counts
    }
    return Validation(len(truth), float((truth == predicted).all(axis=1).mean()), classes)


def average_precisions(labels: Sequence[str], targets: Matrix, scores: Matrix) -> dict[str, float | None]:
    """Return the average precision (area under the precision-recall curve) by label; None for labels without frames."""
    return {
        label: float(average_precision_score(targets[:, at], scores[:, at])) if targets[:, at].any() else None
        for at, label in enumerate(labels)
    }


def macro_f1_interval(truth: Flags, predicted: Flags, seed: int) -> Interval | None:
    """Return the macro-F1 with a 95 % percentile bootstrap interval (Efron 1979) from 1,000 resamples of the frames.

    Returns None if no frame has a label and none is predicted, since F1 is then 0 / 0. Such resamples are ignored.
    """
    if not (truth.any() or predicted.any()):
        return None
    draws = np.random.default_rng(seed).multinomial(len(truth), np.full(len(truth), 1 / len(truth)), _RESAMPLES)
    value = float(macro_f1(truth, predicted)[0])
    low, high = np.nanquantile(macro_f1(truth, predicted, draws), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def _ratio(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0
