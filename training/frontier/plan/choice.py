"""The frontier of accuracy and cost, and the choice of a candidate on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.reporting.confidence_intervals import LEVEL
from stripwatch.export.results.run_evaluation import Interval

Flags = NDArray[np.bool_]
Doubles = NDArray[np.float64]
_RESAMPLES, _AT_ONCE = 1000, 50
_FAR = 1.5  # a candidate that costs this many times as much as a better one is hopeless
_POINTS_FAR = 5.0  # so is one whose accuracy is this many points below the best
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Rated:
    """A candidate with its accuracy, 0 to 1, and its cost per frame in ms."""

    name: str
    accuracy: float
    cost_ms: float


def find_front(rated: Sequence[Rated]) -> list[str]:
    """Return the names on the Pareto front, cheapest first: no other candidate is cheaper and at least as accurate."""
    front: list[str] = []
    best = -1.0
    for each in sorted(rated, key=lambda each: (each.cost_ms, -each.accuracy)):
        if each.accuracy > best:
            front.append(each.name)
            best = each.accuracy
    return front


def most_accurate(rated: Sequence[Rated]) -> Rated:
    """Return the most accurate candidate; the cheapest one of several."""
    return max(rated, key=lambda each: (each.accuracy, -each.cost_ms))


def cheapest_within(rated: Sequence[Rated], points: float) -> Rated:
    """Return the cheapest candidate at most `points` percentage points below the most accurate one."""
    least = most_accurate(rated).accuracy - points / 100 - _TINY
    return min((each for each in rated if each.accuracy >= least), key=lambda each: (each.cost_ms, -each.accuracy))


def best_admitted(rated: Sequence[Rated], admits: Callable[[Rated], bool]) -> Rated | None:
    """Return the most accurate candidate that the function admits; None if it admits none."""
    admitted = [each for each in rated if admits(each)]
    return most_accurate(admitted) if admitted else None


def worth_timing(estimated: Sequence[Rated]) -> list[Rated]:
    """Return the candidates that could be on the front, cheapest first. The costs are estimates.

    Hopeless candidates are left out: those far below the best accuracy, and those for which another one is at least as
    accurate and far cheaper.
    """
    if not estimated:
        return []
    least = most_accurate(estimated).accuracy - _POINTS_FAR / 100
    kept: list[Rated] = []
    for each in sorted(estimated, key=lambda each: (each.cost_ms, -each.accuracy)):
        beaten = any(other.accuracy >= each.accuracy and _FAR * other.cost_ms <= each.cost_ms for other in kept)
        if each.accuracy >= least and not beaten:
            kept.append(each)
    return kept


def selected_accuracy(
    right: Flags, cost_ms: Sequence[float], groups: Sequence[int], points: float, seed: int
) -> Interval:
    """Return the accuracy of the cheapest candidate within `points` of the best, on frames that did not choose it.

    The best of many candidates owes part of its accuracy to luck. Bootstrap bias corrected cross-validation
    (Tsamardinos et al. 2018, "Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation",
    https://doi.org/10.1007/s10994-018-5714-4) repeats the choice on resampled frames and scores it on the frames that
    were not drawn. Groups are drawn as a whole.

    Args:
        right: Whether each frame was right, bool [frames, candidates], each by a head that was not fitted on it.
        cost_ms: Cost of each candidate.
        groups: Group number of each frame.
        points: Percentage points that the choice may be below the best.
        seed: Of the resampling.

    Returns:
        The mean over 1,000 resamples with the interval between their 2.5 and 97.5 percentiles.
    """
    rng, numbers = np.random.default_rng(seed), np.unique(groups, return_inverse=True)[1]
    count, order = int(numbers.max()) + 1, np.argsort(np.asarray(cost_ms), kind="stable")
    by_cost = right[:, order].astype(np.float64)
    scores: list[float] = []
    for _ in range(0, _RESAMPLES, _AT_ONCE):
        drawn = rng.multinomial(count, np.full(count, 1 / count), _AT_ONCE)[:, numbers]
        scores += _score_choices(by_cost, drawn, points)
    low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(np.mean(scores)), float(low), float(high))


def _score_choices(right: Doubles, drawn: NDArray[Any], points: float) -> list[float]:
    """Return the accuracy of the choice of each resample on the frames that it lacks.

    right: [frames, candidates], cheapest candidate first. drawn: how often each frame was drawn, [resamples, frames].
    """
    left = (drawn == 0).astype(np.float64)
    inside = drawn @ right / np.maximum(drawn.sum(axis=1, keepdims=True), 1)
    outside = left @ right / np.maximum(left.sum(axis=1, keepdims=True), 1)
    chosen = (inside >= inside.max(axis=1, keepdims=True) - points / 100 - _TINY).argmax(axis=1)
    some = left.any(axis=1)
    return [float(value) for value in outside[np.arange(len(chosen)), chosen][some]]
