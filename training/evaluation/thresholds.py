"""From which score on a label is suspected, and from which it is taken as a fact; chosen on validation frames.

A threshold lies between two neighbouring scores. Another device computes scores that differ a little. A value therefore
qualifies only if a difference of SCORE_DIFFERENCE_MAX moves at most 1 % of the frames that are called the label there
to its other side; with fewer than 100 such frames this means none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.operating_points import Scores, callable_labels, operating_point
from stripwatch.export.runs.predicted_labels import Flags
from stripwatch.export.runs.run_evaluation import ChosenThreshold
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.calibration import score_range, worker_scores
from stripwatch.training.evaluation.scores import Matrix

# The accuracy gate refuses a float32 export with a larger difference to Keras on a validation frame.
SCORE_DIFFERENCE_MAX = 5e-5
_DEFAULT = 0.5
_SURE_PRECISION_MIN = 0.99
_SURE_BELOW_MAX = 1e-3
_SWAPPED_SHARE_MAX = 0.01
_DIGITS = range(2, 10)  # nine tell any two float32 numbers near 1 apart


@dataclass(frozen=True, slots=True)
class LabelScores:
    """The scores of one label on every frame, and the lowest and highest that another device may give."""

    scores: Scores
    low: Scores
    high: Scores

    def of_frames(self, frames: Flags) -> "LabelScores":
        return LabelScores(self.scores[frames], self.low[frames], self.high[frames])


def choose_thresholds(
    labels: Sequence[str],
    targets: Matrix,
    scores: Matrix,
    task: Task,
    recall: float | None,
    temperature: float = 1.0,
) -> dict[str, ChosenThreshold]:
    """One pair a label, for scores with the temperature that the bundle will have. scores: of the model, without it.

    In multiclass a frame counts for its best label alone, as in the worker.
    """
    calibrated = worker_scores(scores, temperature, task)
    low, high = score_range(scores, temperature, task, SCORE_DIFFERENCE_MAX)
    low, high = np.minimum(low, calibrated), np.maximum(high, calibrated)
    counts = callable_labels(calibrated, task)
    columns = [LabelScores(calibrated[:, at], low[:, at], high[:, at]) for at in range(len(labels))]
    return {label: _choose(columns[at], targets[:, at] > 0, counts[:, at], recall) for at, label in enumerate(labels)}


def choose_threshold(
    scores: NDArray[np.floating], positive: Flags, counts: Flags, recall: float | None
) -> ChosenThreshold:
    """Thresholds of one label, and precision and recall at their values.

    unsure: in the middle between two neighbouring scores. recall: None takes the best F1; else the highest threshold
    that reaches it, or the lowest there is where none does.
    sure: the lowest, not under unsure, from which 99 % of the answers are right; where there is none, the one with the
    highest precision. It lies just below its score, at most 0.001 and at most half way down to the next one, since
    validation has nothing to show for scores in between.
    counts: frames that can be called this label at all. Without a positive frame there is nothing to choose by: 0.5.
    """
    exact = np.asarray(scores, np.float64)
    ranged = LabelScores(exact, exact - SCORE_DIFFERENCE_MAX, exact + SCORE_DIFFERENCE_MAX)
    return _choose(ranged, positive, counts, recall)


def _choose(label: LabelScores, positive: Flags, counts: Flags, recall: float | None) -> ChosenThreshold:
    unsure = sure = _DEFAULT
    if positive.any() and counts.any():
        options = _Options.between(label.of_frames(counts), positive[counts])
        suspected = options.suspected_at(int(positive.sum()), recall)
        unsure = float(options.middle[suspected])
        sure = max(unsure, float(options.upper[options.sure_at(suspected)]))
    return ChosenThreshold(
        unsure=operating_point(unsure, label.scores, positive, counts, recall_min=recall or 0.0),
        sure=operating_point(sure, label.scores, positive, counts, precision_min=_SURE_PRECISION_MIN),
    )


@dataclass(frozen=True, slots=True)
class _Options:
    """Thresholds between neighbouring scores, the highest first.

    middle, upper: half way down to the next lower score, and just below the upper one. called, right: frames from there
    on, and how many of them have the label. steady, upper_steady: whether rounding can move no more than 1 % of them.
    """

    middle: Scores
    upper: Scores
    called: NDArray[np.int_]
    right: NDArray[np.int_]
    steady: Flags
    upper_steady: Flags

    @classmethod
    def between(cls, label: LabelScores, positive: Flags) -> "_Options":
        order = np.argsort(-label.scores, kind="stable")
        ranked = label.scores[order]
        last = np.flatnonzero(np.append(np.diff(ranked) < 0, True))  # equal scores are called together
        levels, called = ranked[last], last + 1
        below = np.append(levels[1:], 0.0)
        half = (levels - below) / 2
        right = np.cumsum(positive[order].astype(int))[last]
        middle, steady = _steady_values(label, levels, below, half, called)
        upper, upper_steady = _steady_values(label, levels, below, np.minimum(half, _SURE_BELOW_MAX), called)
        return cls(middle, np.where(upper_steady, upper, middle), called, right, steady, steady | upper_steady)

    def suspected_at(self, positive: int, recall: float | None) -> int:
        """The position of `unsure`. positive: frames that have the label, also those that cannot be called it."""
        if recall is None:
            return int(np.argmax(np.where(self.steady, 2 * self.right / (self.called + positive), -1)))
        enough = self.steady & (self.right >= recall * positive - 1e-9)
        return int(np.argmax(enough)) if enough.any() else len(enough) - 1

    def sure_at(self, lowest: int) -> int:
        """The position of `sure`, which is not below that of `unsure`."""
        precision = np.where(self.upper_steady, self.right / self.called, -1)[: lowest + 1]
        enough = np.flatnonzero(precision >= _SURE_PRECISION_MIN)
        return int(enough[-1]) if len(enough) else int(np.argmax(precision))


def _steady_values(
    label: LabelScores, levels: Scores, below: Scores, margins: Scores, called: NDArray[np.int_]
) -> tuple[Scores, Flags]:
    """A value so far below each level, and whether rounding can move no more than 1 % of the frames called from it on.

    From the lowest value on all frames are called, on every device: it is 0 where rounding would move some.
    """
    values = _short_values(levels, below, margins)
    moved = _count_from(label.high, values) - _count_from(label.low, values)
    steady = moved <= _SWAPPED_SHARE_MAX * called
    values[-1] = values[-1] if steady[-1] else 0.0
    steady[-1] = True
    return values, steady


def _short_values(levels: Scores, below: Scores, margins: Scores) -> Scores:
    """The number with fewest digits about `margins` below each level, so that a report shows the value that is used.

    It separates a level from the next lower one also as float32. Where float32 has no number in between, it is the
    level itself.
    """
    wanted, values = levels - margins, levels.copy()
    unset = np.ones(len(levels), bool)
    for digits in _DIGITS:
        short = np.round(wanted, digits)
        as_float32 = short.astype(np.float32)
        fits = unset & (np.abs(short - wanted) <= margins / 10) & (as_float32 <= levels) & (as_float32 > below)
        values[fits] = short[fits]
        unset &= ~fits
    return values


def _count_from(scores: Scores, values: Scores) -> NDArray[np.int_]:
    """How many scores are at or above each value."""
    return len(scores) - np.searchsorted(np.sort(scores), values, side="left")
