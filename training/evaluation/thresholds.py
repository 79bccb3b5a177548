"""From which scores on a label is suspected, and taken as a fact: chosen on validation frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_evaluation import ChosenThreshold, OperatingPoint
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.scores import Flags, Matrix, predicted_labels

_USUAL = 0.5
_PRECISION = 0.99
_HAIR = 0.999  # another device rounds otherwise: the frame that sets a threshold must stay on its side


def choose_thresholds(
    labels: Sequence[str], targets: Matrix, scores: Matrix, task: Task, recall: float | None
) -> dict[str, ChosenThreshold]:
    """One pair a label. In multiclass a frame counts for its best label alone, as in the worker."""
    counts = np.ones(scores.shape, bool) if task == "multilabel" else predicted_labels(scores, task)
    return {
        label: choose_threshold(scores[:, at], targets[:, at] > 0, counts[:, at], recall)
        for at, label in enumerate(labels)
    }


def choose_threshold(
    scores: NDArray[np.float32], positive: Flags, counts: Flags, recall: float | None
) -> ChosenThreshold:
    """unsure: the highest of the thresholds that are equally good, moved half way down to the next score.

    recall: None takes the best F1; else the highest threshold that reaches it, or the lowest there is where none does.
    sure: the lowest score, not under unsure, from which 99 % of the answers are right; below it validation has nothing
    to show. Where no score has that, the one with the highest precision. counts: frames that can be called this label
    at all. Without a positive frame there is nothing to choose by: 0.5 for both.
    """
    counted = np.flatnonzero(counts)
    order = counted[np.argsort(-scores[counted], kind="stable")]
    if not positive.any() or not len(order):
        nothing = OperatingPoint(_USUAL, 0.0, 0.0, recall is None)
        return ChosenThreshold(unsure=nothing, sure=nothing)
    last = np.flatnonzero(np.append(np.diff(scores[order]) < 0, True))  # equal scores are called together
    right, called = np.cumsum(positive[order].astype(int))[last], last + 1
    levels, found = scores[order[last]], _OperatingPoints(right / called, right / positive.sum())
    best = _best(right, called, int(positive.sum()), recall)
    below = float(levels[best + 1]) if best + 1 < len(levels) else 0.0
    reached = recall is None or bool(found.recall[best] >= recall - 1e-9)
    unsure = found.cut(best, (float(levels[best]) + below) / 2, reached)
    enough = np.flatnonzero(found.precision[: best + 1] >= _PRECISION)
    surest = int(enough[-1]) if len(enough) else int(np.argmax(found.precision[: best + 1]))
    sure = max(unsure.value, float(levels[surest]) * _HAIR)
    return ChosenThreshold(unsure=unsure, sure=found.cut(surest, sure, len(enough) > 0))


@dataclass(frozen=True, slots=True)
class _OperatingPoints:
    """Of calling the label from each level of score on."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    def cut(self, at: int, value: float, reached: bool) -> OperatingPoint:
        return OperatingPoint(value, float(self.precision[at]), float(self.recall[at]), reached)


def _best(right: NDArray[np.int_], called: NDArray[np.int_], positive: int, recall: float | None) -> int:
    if recall is None:
        return int(np.argmax(2 * right / (called + positive)))
    enough = right >= recall * positive - 1e-9
    return int(np.argmax(enough)) if enough.any() else len(right) - 1
