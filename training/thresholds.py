"""From which score on a label is taken as a fact: chosen on validation frames, for the best F1 or for a recall."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from export.evaluation import ChosenThreshold
from export.runfolder import Task
from training.figures import Flags, Matrix, answer

_USUAL = 0.5


def choose_thresholds(
    labels: Sequence[str], targets: Matrix, scores: Matrix, task: Task, recall: float | None
) -> dict[str, ChosenThreshold]:
    """One a label. In multiclass a frame counts for its best label alone, as in the worker."""
    counts = np.ones(scores.shape, bool) if task == "multilabel" else answer(scores, task)
    return {
        label: choose_threshold(scores[:, at], targets[:, at] > 0, counts[:, at], recall)
        for at, label in enumerate(labels)
    }


def choose_threshold(
    scores: NDArray[np.float32], positive: Flags, counts: Flags, recall: float | None
) -> ChosenThreshold:
    """The highest of the thresholds that are equally good, moved half way down to the next score.

    recall: None takes the best F1; else the highest threshold that reaches it, or the lowest there is where none does.
    counts: frames that can be called this label at all. Without a positive frame there is nothing to choose by: 0.5.
    """
    counted = np.flatnonzero(counts)
    order = counted[np.argsort(-scores[counted], kind="stable")]
    if not positive.any() or not len(order):
        return ChosenThreshold(_USUAL, 0.0, 0.0, recall is None)
    last = np.flatnonzero(np.append(np.diff(scores[order]) < 0, True))  # equal scores are called together
    right, called = np.cumsum(positive[order])[last], last + 1
    if recall is None:
        best = int(np.argmax(2 * right / (called + positive.sum())))
    else:
        enough = right >= recall * positive.sum() - 1e-9
        best = int(np.argmax(enough)) if enough.any() else len(last) - 1
    below = float(scores[order[last[best + 1]]]) if best + 1 < len(last) else 0.0
    reached = float(right[best] / positive.sum())
    return ChosenThreshold(
        value=(float(scores[order[last[best]]]) + below) / 2,
        precision=float(right[best] / called[best]),
        recall=reached,
        reached=recall is None or reached >= recall - 1e-9,
    )
