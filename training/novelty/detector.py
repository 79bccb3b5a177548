"""Fit of the novelty detector and of its threshold, on features of the training frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from stripwatch.export.runs.novelty import NoveltyDetector
from stripwatch.export.runs.relative_distance import Array
from stripwatch.training.novelty.components import AXES_MAX, FRAMES_PER_AXIS, ChangedFrames, fit_distance, weight_of
from stripwatch.training.novelty.taps import Taps
from stripwatch.training.preparation.stratified_split import fold_frames

METHOD = "relative Mahalanobis distance of mean and deviation of feature maps"
FRAMES_MIN = 20  # with fewer, a fold leaves too few frames for a covariance
_FOLDS = 10
# A frame is also novel if its distance to the nearest class exceeds that of every held-out training frame by this
# factor. Known frames hardly ever do, so the false-alarm rate stays. Chosen on black, flat and patterned images and
# photographs of other things.
_FAR_FACTOR = 1.5
_CHANGED_NOVEL_MAX = 0.05  # share of changed copies that may be novel; the head withstands nearly all of them


@dataclass(frozen=True, slots=True)
class NoveltyFit:
    """A fitted detector.

    threshold: a frame with a score above it is novel. held_out: scores of the training frames, each by a detector that
    had not seen it, [n]. limited: the frames are too few for the false-alarm rate, so that the threshold is the highest
    of these scores.
    """

    detector: NoveltyDetector
    threshold: float
    held_out: Array
    limited: bool


def fit_detector(
    taps: Taps,
    pooled: Sequence[Array],
    targets: Array,
    groups: Sequence[int],
    false_alarm_rate: float,
    seed: int,
    changed: ChangedFrames | None = None,
) -> NoveltyFit | None:
    """Fit a detector to training frames and choose its threshold.

    Each training frame is scored by a detector fitted without its fold; near duplicates are in the same fold. The
    threshold is chosen on these scores. It is higher if more than 5 % of the changed copies, which are scored like
    their frames, would be novel.

    Args:
        taps: Taps of the backbone.
        pooled: Features of each tap, float32 [n, f].
        targets: Labels of the frames, [n, labels], 0 or 1.
        groups: Group number of each frame; frames of a group are near duplicates or belong to one coil.
        false_alarm_rate: Share of known frames that may score above the threshold.
        seed: Of the folds.
        changed: Changed copies of the frames, which are known as well; None if there are none.

    Returns:
        The fit, or None if there are fewer than FRAMES_MIN groups.
    """
    if len(set(groups)) < FRAMES_MIN:
        return None
    weight = weight_of(targets, changed is not None)
    names = [tuple(str(at) for at in np.flatnonzero(row)) for row in targets]
    folds = fold_frames(names, groups, _FOLDS, seed, every=False)
    axes_max = min(AXES_MAX, *(max(1, len(part.train) // FRAMES_PER_AXIS) for part in folds))

    def fit(frames: Sequence[int]) -> NoveltyDetector:
        copies = None if changed is None else changed.at(frames)
        distance = fit_distance([each[frames] for each in pooled], targets[frames], weight, axes_max, copies)
        return NoveltyDetector(taps.names, taps.statistics, distance)

    held_out, near = np.empty((2, 1 + (0 if changed is None else len(changed.pooled)), len(targets)), np.float32)
    for part in folds:
        detector = fit(part.train)
        for row, features in enumerate([pooled, *(() if changed is None else changed.pooled)]):
            rows = [each[part.validation] for each in features]
            held_out[row, part.validation] = detector.score(rows)
            near[row, part.validation] = detector.distance.distances(rows, np)[0]
    threshold, limited = choose_threshold(held_out[0], false_alarm_rate)
    if changed is not None:
        threshold = max(threshold, choose_threshold(held_out[1:].ravel(), _CHANGED_NOVEL_MAX)[0])
    return NoveltyFit(_with_far(fit(range(len(targets))), threshold, near), threshold, held_out[0], limited)


def _with_far(detector: NoveltyDetector, threshold: float, near: Array) -> NoveltyDetector:
    """Return the detector with a score above the threshold for frames that are far from everything.

    near: distances of the held-out training frames and their copies, 1 + D / p.
    """
    far = threshold / (1 + _FAR_FACTOR * (near.max() - 1))
    return replace(detector, distance=replace(detector.distance, far=np.array([far], np.float32)))


def choose_threshold(scores: Array, false_alarm_rate: float) -> tuple[float, bool]:
    """Return the threshold for a false-alarm rate, and whether the frames are too few for it.

    The threshold is the score of rank ceil((n + 1) * (1 - rate)), so that a new known frame exceeds it with at most
    this probability if it comes from the same distribution: split conformal prediction (Angelopoulos and Bates 2021,
    https://arxiv.org/abs/2107.07511). If that rank does not exist, it is the highest score.
    """
    rank = math.ceil((len(scores) + 1) * (1 - false_alarm_rate))
    return float(np.sort(scores)[min(rank, len(scores)) - 1]), rank > len(scores)
