"""Fit of the novelty detector and of its threshold, on features of the training frames."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stripwatch.export.runs.novelty import NoveltyDetector
from stripwatch.export.runs.novelty_components import Array
from stripwatch.training.novelty.components import fit_components
from stripwatch.training.novelty.taps import STATISTICS, Taps
from stripwatch.training.preparation.stratified_split import fold_frames

METHOD = "maximum of cosine distance to the 5th neighbour and Mahalanobis distance, at two depths of the network"
FRAMES_MIN = 20  # with fewer, no fold has enough frames for neighbours and a covariance
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class NoveltyFit:
    """A fitted detector.

    threshold: a frame with a score above it is novel. held_out: scores of the training frames, each by components that
    had not seen it, [n]. limited: the frames are too few for the false-alarm rate, so that the threshold is the highest
    of these scores.
    """

    detector: NoveltyDetector
    threshold: float
    held_out: Array
    limited: bool


def fit_detector(
    taps: Taps, pooled: Sequence[Array], targets: Array, groups: Sequence[int], false_alarm_rate: float, seed: int
) -> NoveltyFit | None:
    """Fit a detector to training frames and choose its threshold.

    Each training frame is scored by components fitted without its fold; near duplicates are in the same fold. These
    scores standardise the components, and the threshold is chosen on them.

    Args:
        taps: Taps of the backbone.
        pooled: Features of each tap, float32 [n, f].
        targets: Labels of the frames, [n, labels], 0 or 1.
        groups: Group number of each frame; frames of a group are near duplicates or belong to one coil.
        false_alarm_rate: Share of known frames that may score above the threshold.
        seed: Of the folds.

    Returns:
        The fit, or None if there are fewer than FRAMES_MIN frames or groups.
    """
    if len(set(groups)) < FRAMES_MIN:
        return None
    distances = np.empty((len(targets), 0), np.float32)
    names = [tuple(str(at) for at in np.flatnonzero(row)) for row in targets]
    for part in fold_frames(names, groups, _FOLDS, seed, every=False):
        known, held_out = part.train, part.validation
        components = fit_components([each[known] for each in pooled], targets[known], seed)
        if not distances.size:
            distances = np.empty((len(targets), len(components)), np.float32)
        found = [each.distance([tap[held_out] for tap in pooled], None, np) for each in components]
        distances[held_out] = np.stack(found, axis=1)
    offset, factor = _standard_scale(distances)
    detector = NoveltyDetector(taps.names, fit_components(pooled, targets, seed), offset, factor, statistics=STATISTICS)
    scores = ((distances - offset) * factor).max(axis=1).astype(np.float32)
    threshold, limited = choose_threshold(scores, false_alarm_rate)
    return NoveltyFit(detector, threshold, scores, limited)


def choose_threshold(scores: Array, false_alarm_rate: float) -> tuple[float, bool]:
    """Return the threshold for a false-alarm rate, and whether the frames are too few for it.

    The threshold is the score of rank ceil((n + 1) * (1 - rate)), so that a new known frame exceeds it with at most
    this probability if it comes from the same distribution: split conformal prediction (Angelopoulos and Bates 2021,
    https://arxiv.org/abs/2107.07511). If that rank does not exist, it is the highest score.
    """
    rank = math.ceil((len(scores) + 1) * (1 - false_alarm_rate))
    return float(np.sort(scores)[min(rank, len(scores)) - 1]), rank > len(scores)


def _standard_scale(distances: Array) -> tuple[Array, Array]:
    """Return offset and factor of each component: its median becomes 0, and its 99th percentile 1."""
    median, high = np.quantile(distances, [0.5, 0.99], axis=0)
    return median.astype(np.float32), (1 / np.maximum(high - median, 1e-6)).astype(np.float32)
