"""Does a score of 0.9 mean right in nine of ten? Measured, and corrected by one number: the temperature."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from stripwatch.export.runs.predicted_labels import Flags, predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.scores import Matrix
from stripwatch.worker.model.bundle import TEMPERATURE_MAX, TEMPERATURE_MIN, Bin
from stripwatch.worker.model.verdict import calibrate

_BINS = 15
_MISTAKES_MIN = 10  # fewer say next to nothing of how sure a model may be
_TINY = 1e-7  # float32 scores saturate at 0 and 1


def fit_temperature(targets: Matrix, scores: Matrix, task: Task) -> float:
    """The temperature with the lowest cross-entropy (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    Where the frames hold no mistake it would go to 0: it ends at TEMPERATURE_MIN, and says only that there are too few.
    """

    def loss(log_temperature: float) -> float:
        scaled = scale(scores, float(np.exp(log_temperature)), task)
        chosen = np.where(targets > 0, scaled, 1 - scaled) if task == "multilabel" else (scaled * targets).sum(axis=1)
        return float(-np.log(np.maximum(chosen, _TINY)).mean())

    bounds = (float(np.log(TEMPERATURE_MIN)), float(np.log(TEMPERATURE_MAX)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def applicable(temperature: float, targets: Matrix, scores: Matrix, task: Task) -> float:
    """The temperature, or 1 where the frames hold too few wrong answers for it to mean anything."""
    _, right = _answers(targets, scores, task)
    return temperature if int((~right).sum()) >= _MISTAKES_MIN else 1.0


def scale(scores: Matrix, temperature: float, task: Task) -> Matrix:
    """The scores the model would give with its logits divided by temperature."""
    known = np.clip(scores.astype(np.float64), _TINY, 1 - _TINY)
    if task == "multilabel":
        odds = (known / (1 - known)) ** (1 / temperature)
        return np.asarray(odds / (1 + odds), np.float32)
    powers = known ** (1 / temperature)  # a softmax's logits are its logarithms, but for a constant
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def worker_scores(scores: Matrix, temperature: float, task: Task) -> NDArray[np.float64]:
    """The calibrated scores that the worker compares with thresholds, computed by its own function."""
    rows = np.clip(scores, 0, 1).tolist()
    return np.array([calibrate(row, temperature, task == "multiclass") for row in rows]).reshape(scores.shape)


def score_range(
    scores: Matrix, temperature: float, task: Task, difference: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and highest calibrated score of each label where a device's score of it may differ by `difference`.

    Scores near 0 and 1 of a high temperature move by far more than that.
    """
    known = np.clip(scores.astype(np.float64), _TINY, 1 - _TINY)
    powers = known ** (1 / temperature)

    def moved(by: float) -> NDArray[np.float64]:
        other = np.clip(known + by, _TINY, 1 - _TINY)
        opposite = (1 - other) ** (1 / temperature)
        if task == "multiclass":  # the other labels share what is left as before
            rest = np.maximum(powers.sum(axis=1, keepdims=True) - powers, 0)
            opposite = rest * ((1 - other) / (1 - known)) ** (1 / temperature)
        own = other ** (1 / temperature)
        return np.asarray(own / (own + opposite))

    return moved(-difference), moved(difference)


def reliability(targets: Matrix, scores: Matrix, task: Task) -> list[Bin]:
    """Answers sorted into 15 bins of equal width of confidence; empty ones left out.

    In multiclass each frame is one answer; in multilabel each frame and label is one: yes or no.
    """
    confidence, right = _answers(targets, scores, task)
    place = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        Bin(int((place == at).sum()), float(confidence[place == at].mean()), float(right[place == at].mean()))
        for at in np.unique(place)
    ]


def expected_error(bins: list[Bin]) -> float:
    """The gap between confidence and accuracy, averaged over all answers."""
    answers = sum(found.answers for found in bins)
    return sum(found.answers * abs(found.confidence - found.accuracy) for found in bins) / answers


def _answers(targets: Matrix, scores: Matrix, task: Task) -> tuple[NDArray[np.float32], Flags]:
    said, truth = predicted_labels(scores, task), targets > 0
    if task == "multilabel":
        return np.maximum(scores, 1 - scores).ravel(), (said == truth).ravel()
    return scores.max(axis=1), np.asarray((said & truth).any(axis=1))
