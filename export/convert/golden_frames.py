"""Selection of the golden frames: validation frames stored in the bundle for its self-test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.convert.validation_scores import ScoredValidation
from stripwatch.export.runs.run_folder import ANOMALY_LABEL, Task
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.common.terminal.console import say

# The best label must lead by this margin, or rounding on another device could make a correct bundle fail.
_MARGIN_MIN = 0.02
_USUAL_MAX = 12


@dataclass(frozen=True, slots=True)
class GoldenTolerance:
    """Largest score difference between Keras and the exported model that a golden frame may have.

    differences: the largest difference of each frame, [n]. difference_max: limit for golden frames.
    """

    differences: NDArray[np.float32]
    difference_max: float


def usual_count(labels: int) -> int:
    """Return the default number of golden frames: two per label up to twelve, but at least one per label."""
    return max(labels, min(2 * labels, _USUAL_MAX))


def choose_golden(
    task: Task,
    targets: NDArray[np.bool_],
    scores: NDArray[np.float32],
    count: int,
    near: GoldenTolerance | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> list[int]:
    """Return the positions of the golden frames, ascending.

    For each label the correct frame with the largest margin is chosen, then the correct frames with the smallest
    margins overall, up to `count`. A multiclass frame is correct if the true label has the highest score. A multilabel
    frame is correct if every label is on the right side of 0.5; with several labels it counts for its first one. The
    one frame per label is kept even if that exceeds `count`. Frames without a label are never chosen, and a label
    without a correct frame gets none.

    targets, scores: [n, labels]. near: tolerance for precisions that round so coarsely that the model would fail on
    its own hardest frames. allowed: frames that may be chosen, [n]; None for all.
    """
    margin = _margin_of_best(targets, scores) if task == "multiclass" else 2 * _margin_of_all(targets, scores)
    eligible, margin_min = targets.any(axis=1) & (True if allowed is None else allowed), _MARGIN_MIN
    if near is not None:  # a device may differ from Keras by twice what the CPU does, for both labels of the margin
        eligible = eligible & (near.differences <= near.difference_max)
        margin_min = _MARGIN_MIN + 4 * near.difference_max
    correct = np.flatnonzero((margin >= margin_min) & eligible)
    truth = targets.argmax(axis=1)
    hardest_first = correct[np.argsort(margin[correct], kind="stable")]
    chosen = {int(truth[at]): int(at) for at in hardest_first}  # keeps the last of each label: its largest margin
    kept = list(chosen.values())
    others = [int(at) for at in hardest_first if int(at) not in kept]
    return sorted(kept + others[: max(0, count - len(kept))])


def _margin_of_best(targets: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the score of the true label minus the best other score, [n]; negative if another label leads."""
    others = np.where(targets, -np.inf, scores).max(axis=1)
    return np.asarray(np.where(targets, scores, -np.inf).max(axis=1) - others, np.float32)


def _margin_of_all(targets: NDArray[np.bool_], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the smallest distance of a score from 0.5, [n]; negative if a label is on the wrong side of 0.5."""
    return np.asarray(np.where(targets, scores - 0.5, 0.5 - scores).min(axis=1), np.float32)


def missing_labels(labels: Sequence[str], targets: NDArray[np.bool_], chosen: Sequence[int]) -> list[str]:
    """Return the labels that no golden frame has."""
    absent = ~targets[list(chosen)].any(axis=0)
    return [labels[int(at)] for at in np.flatnonzero(absent)]


def pick_golden(
    validation: ScoredValidation,
    near: GoldenTolerance | None,
    known: NDArray[np.bool_] | None,
    count: int | None,
) -> list[int]:
    """Return the positions of the golden frames among the validation frames.

    known: frames that are clearly not novel, [n]; None without a novelty score. Raises ExportRejectedError if no
    validation frame qualifies.
    """
    run, targets = validation.run, validation.targets
    wanted = count or usual_count(len(run.labels))
    chosen = choose_golden(run.configuration.label_task, targets, validation.keras, wanted, near, known)
    if not chosen:
        close = " with similar scores in Keras and the exported model" if near else ""
        below = " and is clearly below the novelty threshold" if known is not None else ""
        raise ExportRejectedError(
            f"no golden frame found: no validation frame is classified correctly by a clear margin{close}{below}; "
            f"train the model further{', or export it with --precision fp32' if near else ''}"
        )
    missing = missing_labels(run.labels, targets, chosen)
    if run.anomaly is not None:  # it gets synthetic defects
        missing = [label for label in missing if label != ANOMALY_LABEL]
    if missing:
        say(
            f"warning: no golden frame for {', '.join(missing)}: no validation frame with that label is classified "
            f"correctly by a clear margin{'' if known is None else ' and is clearly below the novelty threshold'}"
        )
    return chosen
