"""Selection of the thresholds `unsure` and `sure` of each label on validation frames.

A threshold lies between two neighbouring scores. Since other devices compute slightly different scores, a value
qualifies only if a difference of SCORE_DIFFERENCE_MAX moves at most 1 % of the frames at or above it across the
threshold. With fewer than 100 such frames this means none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.results.operating_points import Scores, callable_labels, operating_point
from stripwatch.export.results.run_evaluation import ChosenThreshold
from stripwatch.export.runs.predicted_labels import Flags
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.calibration import score_range, worker_scores
from stripwatch.training.evaluation.scores import Matrix

# The accuracy gate rejects float32 exports that differ more from Keras on a validation frame.
SCORE_DIFFERENCE_MAX = 5e-5
_DEFAULT = 0.5
_SURE_PRECISION_MIN = 0.99
_SURE_BELOW_MAX = 1e-3
_SWAPPED_SHARE_MAX = 0.01
_DIGITS = range(2, 10)  # nine digits distinguish any two float32 numbers near 1


@dataclass(frozen=True, slots=True)
class LabelScores:
    """The scores of one label on every frame, and the lowest and highest that another device may compute, [n]."""

    scores: Scores
    low: Scores
    high: Scores

    def of_frames(self, frames: Flags) -> "LabelScores":
        """Return the scores of the selected frames."""
        return LabelScores(self.scores[frames], self.low[frames], self.high[frames])


def choose_thresholds(
    labels: Sequence[str],
    targets: Matrix,
    scores: Matrix,
    task: Task,
    recall: float | None,
    temperature: float = 1.0,
) -> dict[str, ChosenThreshold]:
    """Choose both thresholds of each label, for scores calibrated with the temperature of the bundle.

    targets, scores: [n, labels]; the scores are uncalibrated. recall: see choose_threshold. In multiclass a frame only
    counts for its best label, as in the worker.
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
    """Choose the thresholds of one label, and measure precision and recall at their values.

    unsure: midway between two neighbouring scores. If `recall` is None, the threshold with the best F1; else the
    highest one that reaches the recall, or the lowest possible one if none does.
    sure: the lowest threshold, not below unsure, with a precision of at least 99 %; if there is none, the one with the
    highest precision. It lies just below its score: at most 0.001, and at most half the distance to the next lower
    score, because validation frames say nothing about scores in between.

    scores: calibrated, [n]. positive: frames that have the label, [n]. counts: frames that can be assigned the label,
    [n]. Without a positive frame both thresholds are 0.5.
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
    """Possible thresholds between neighbouring scores, the highest first.

    middle, upper: values midway between the two scores, and just below the upper one. called, right: number of frames
    at or above the threshold, and of those that have the label. steady, upper_steady: true if rounding moves at most
    1 % of these frames across the threshold.
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
        last = np.flatnonzero(np.append(np.diff(ranked) < 0, True))  # equal scores cannot be separated
        levels, called = ranked[last], last + 1
        below = np.append(levels[1:], 0.0)
        half = (levels - below) / 2
        right = np.cumsum(positive[order].astype(int))[last]
        middle, steady = _steady_values(label, levels, below, half, called)
        upper, upper_steady = _steady_values(label, levels, below, np.minimum(half, _SURE_BELOW_MAX), called)
        return cls(middle, np.where(upper_steady, upper, middle), called, right, steady, steady | upper_steady)

    def suspected_at(self, positive: int, recall: float | None) -> int:
        """Return the index of `unsure`. positive: number of frames with the label, assignable to it or not."""
        if recall is None:
            return int(np.argmax(np.where(self.steady, 2 * self.right / (self.called + positive), -1)))
        enough = self.steady & (self.right >= recall * positive - 1e-9)
        return int(np.argmax(enough)) if enough.any() else len(enough) - 1

    def sure_at(self, lowest: int) -> int:
        """Return the index of `sure`, which is not lower than `unsure`. lowest: index of `unsure`."""
        precision = np.where(self.upper_steady, self.right / self.called, -1)[: lowest + 1]
        enough = np.flatnonzero(precision >= _SURE_PRECISION_MIN)
        return int(enough[-1]) if len(enough) else int(np.argmax(precision))


def _steady_values(
    label: LabelScores, levels: Scores, below: Scores, margins: Scores, called: NDArray[np.int_]
) -> tuple[Scores, Flags]:
    """Return a value about `margins` below each level, and flags for values that rounding moves at most 1 % across.

    All frames are at or above the lowest value on every device: it is set to 0 if rounding could move some below it.
    """
    values = _short_values(levels, below, margins)
    moved = _count_from(label.high, values) - _count_from(label.low, values)
    steady = moved <= _SWAPPED_SHARE_MAX * called
    values[-1] = values[-1] if steady[-1] else 0.0
    steady[-1] = True
    return values, steady


def _short_values(levels: Scores, below: Scores, margins: Scores) -> Scores:
    """Return the number with the fewest digits about `margins` below each level, so that reports show the exact value.

    It separates a level from the next lower one in float32 as well. If float32 has no number in between, it is the
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
    """Return the number of scores at or above each value."""
    return len(scores) - np.searchsorted(np.sort(scores), values, side="left")
