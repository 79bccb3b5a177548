"""Calibration of scores: reliability, expected calibration error, and temperature scaling."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from stripwatch.export.runs.predicted_labels import Flags, predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.scores import Matrix
from stripwatch.worker.contracts.model.model_record import Bin
from stripwatch.worker.model.bundle import TEMPERATURE_MAX, TEMPERATURE_MIN
from stripwatch.worker.model.verdict import calibrate

_BINS = 15
_ERRORS_MIN = 10  # fewer errors are not enough to calibrate a model
_TINY = 1e-7  # float32 scores saturate at 0 and 1


def fit_temperature(targets: Matrix, scores: Matrix, task: Task) -> float:
    """Return the temperature with the lowest cross-entropy (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    targets, scores: [n, labels]. Without any error the temperature would approach 0 and ends at TEMPERATURE_MIN, which
    only shows that there are too few frames.
    """

    def loss(log_temperature: float) -> float:
        scaled = scale(scores, float(np.exp(log_temperature)), task)
        chosen = np.where(targets > 0, scaled, 1 - scaled) if task == "multilabel" else (scaled * targets).sum(axis=1)
        return float(-np.log(np.maximum(chosen, _TINY)).mean())

    bounds = (float(np.log(TEMPERATURE_MIN)), float(np.log(TEMPERATURE_MAX)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def applicable(temperature: float, targets: Matrix, scores: Matrix, task: Task) -> float:
    """Return the temperature, or 1 if fewer than 10 predictions are wrong, which is too few for a meaningful value."""
    _, right = _predictions(targets, scores, task)
    return temperature if int((~right).sum()) >= _ERRORS_MIN else 1.0


def scale(scores: Matrix, temperature: float, task: Task) -> Matrix:
    """Return the scores of the model with its logits divided by the temperature, float32 [n, labels]."""
    known = np.clip(scores.astype(np.float64), _TINY, 1 - _TINY)
    if task == "multilabel":
        odds = (known / (1 - known)) ** (1 / temperature)
        return np.asarray(odds / (1 + odds), np.float32)
    powers = known ** (1 / temperature)  # the logits of a softmax are the logarithms of its scores plus a constant
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def worker_scores(scores: Matrix, temperature: float, task: Task) -> NDArray[np.float64]:
    """Return the calibrated scores that the worker compares with thresholds, computed by the worker's own function."""
    rows = np.clip(scores, 0, 1).tolist()
    return np.array([calibrate(row, temperature, task == "multiclass") for row in rows]).reshape(scores.shape)


def score_range(
    scores: Matrix, temperature: float, task: Task, difference: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lowest and highest calibrated scores if a device's raw scores may differ by up to `difference`.

    At high temperatures, calibrated scores near 0 and 1 move by far more than the raw ones.
    """
    known = np.clip(scores.astype(np.float64), _TINY, 1 - _TINY)
    powers = known ** (1 / temperature)

    def moved(by: float) -> NDArray[np.float64]:
        other = np.clip(known + by, _TINY, 1 - _TINY)
        opposite = (1 - other) ** (1 / temperature)
        if task == "multiclass":  # the other labels keep their proportions
            rest = np.maximum(powers.sum(axis=1, keepdims=True) - powers, 0)
            opposite = rest * ((1 - other) / (1 - known)) ** (1 / temperature)
        own = other ** (1 / temperature)
        return np.asarray(own / (own + opposite))

    return moved(-difference), moved(difference)


def reliability(targets: Matrix, scores: Matrix, task: Task) -> list[Bin]:
    """Return the reliability diagram: predictions in 15 confidence bins of equal width, without empty bins.

    In multiclass each frame is one prediction. In multilabel each pair of a frame and a label is one, yes or no.
    """
    confidence, right = _predictions(targets, scores, task)
    bins = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        Bin(int((bins == at).sum()), float(confidence[bins == at].mean()), float(right[bins == at].mean()))
        for at in np.unique(bins)
    ]


def expected_error(bins: list[Bin]) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy (Guo et al. 2017, eq. 3)."""
    predictions = sum(each.answers for each in bins)
    return sum(each.answers * abs(each.confidence - each.accuracy) for each in bins) / predictions


def _predictions(targets: Matrix, scores: Matrix, task: Task) -> tuple[NDArray[np.float32], Flags]:
    """Return the confidence of each prediction, and flags that mark the correct ones."""
    predicted, truth = predicted_labels(scores, task), targets > 0
    if task == "multilabel":
        return np.maximum(scores, 1 - scores).ravel(), (predicted == truth).ravel()
    return scores.max(axis=1), np.asarray((predicted & truth).any(axis=1))
