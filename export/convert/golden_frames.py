"""Which validation frames travel in the bundle, to show at load that it still computes what was trained."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Task

# The best label must lead by this much, or rounding on another device could turn a sound bundle down.
_LEAD_MIN = 0.02
_USUAL_MAX = 12


@dataclass(frozen=True, slots=True)
class GoldenTolerance:
    """differences: [n], the largest between a score of Keras and one of the file; golden frames stay under the most."""

    differences: NDArray[np.float32]
    difference_max: float


def usual_count(labels: int) -> int:
    """Two a label, up to twelve, but never fewer than one a label."""
    return max(labels, min(2 * labels, _USUAL_MAX))


def choose_golden(
    task: Task,
    targets: NDArray[np.bool_],
    scores: NDArray[np.float32],
    count: int,
    near: GoldenTolerance | None = None,
) -> list[int]:
    """Positions of frames: of each label the surest right one, then the hardest right ones of all up to count.

    targets, scores: [n, labels]. Right is, in multiclass, the right label in the lead; in multilabel, each label on its
    side of 0.5, and a frame of several labels stands for its first. A label without a right frame has none; one a label
    is always kept; a frame without a label is never taken. near: for a file that rounds so coarsely that it would not
    pass its own hardest frames.
    """
    lead = _lead_of_one(targets, scores) if task == "multiclass" else 2 * _lead_of_each(targets, scores)
    fit, lead_min = targets.any(axis=1), _LEAD_MIN
    if near is not None:  # a device may differ from Keras by twice what the CPU does, on either label of the lead
        fit, lead_min = fit & (near.differences <= near.difference_max), _LEAD_MIN + 4 * near.difference_max
    right = np.flatnonzero((lead >= lead_min) & fit)
    truth = targets.argmax(axis=1)
    hardest_first = right[np.argsort(lead[right], kind="stable")]
    chosen = {int(truth[at]): int(at) for at in hardest_first}  # the last one of a label, its surest, stays
    kept = list(chosen.values())
    others = [int(at) for at in hardest_first if int(at) not in kept]
    return sorted(kept + others[: max(0, count - len(kept))])


def _lead_of_one(targets: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """The score of the right label over the best other one; below 0 where another leads."""
    others = np.where(targets, -np.inf, scores).max(axis=1)
    return np.asarray(np.where(targets, scores, -np.inf).max(axis=1) - others, np.float32)


def _lead_of_each(targets: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the label nearest to 0.5 is on its right side of it; below 0 where one is on the wrong side."""
    return np.asarray(np.where(targets, scores - 0.5, 0.5 - scores).min(axis=1), np.float32)


def missing_labels(labels: Sequence[str], targets: NDArray[np.bool_], chosen: Sequence[int]) -> list[str]:
    """Labels that no golden frame has."""
    absent = ~targets[list(chosen)].any(axis=0)
    return [labels[int(at)] for at in np.flatnonzero(absent)]
