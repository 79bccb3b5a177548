from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.training.novelty.components import ChangedFrames
from stripwatch.training.novelty.detector import FRAMES_MIN, NoveltyFit, choose_threshold, fit_detector
from stripwatch.training.novelty.taps import Taps

pytestmark = pytest.mark.training

TAPS = Taps(("one", "two"), (3, 7), (8, 6))
WIDTHS = (8, 12)  # means of the first tap, means and deviations of the second one
Floats = NDArray[np.float32]
CENTRES = {channels: 4 * np.random.default_rng(channels).normal(size=(4, channels)) for channels in WIDTHS}


def frames_of(classes: Sequence[int], seed: int = 0) -> list[Floats]:
    """Features of both taps: clusters around one centre for each class."""
    rng = np.random.default_rng(seed)
    return [
        (CENTRES[channels][list(classes)] + rng.normal(size=(len(classes), channels))).astype(np.float32)
        for channels in WIDTHS
    ]


def targets_of(classes: Sequence[int]) -> Floats:
    return np.eye(3, dtype=np.float32)[list(classes)]


KNOWN = [0, 1, 2] * 100


def fitted(rate: float = 0.01, groups: Sequence[int] = range(len(KNOWN)), **changes: Any) -> NoveltyFit:
    pooled = changes.get("pooled", frames_of(KNOWN))
    fit = fit_detector(TAPS, pooled, changes.get("targets", targets_of(KNOWN)), groups, rate, seed=0)
    assert fit is not None
    return fit


def test_frames_of_a_new_class_score_above_the_threshold() -> None:
    fit = fitted()
    known, novel = frames_of(KNOWN, seed=1), frames_of([3] * 50, seed=2)
    assert (fit.detector.score(novel) > fit.threshold).all()
    assert (fit.detector.score(known) > fit.threshold).mean() < 0.03


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2])
def test_the_rate_of_false_alarms_is_the_one_aimed_for(rate: float) -> None:
    fit = fitted(rate)
    known = frames_of([0, 1, 2] * 1000, seed=1)
    share = (fit.detector.score(known) > fit.threshold).mean()
    assert rate / 3 < share < 2 * rate


def test_held_out_scores_come_from_detectors_that_have_not_seen_the_frame() -> None:
    fit = fitted()
    seen = fit.detector.score(frames_of(KNOWN))
    assert (fit.held_out > seen).mean() > 0.9


@pytest.mark.parametrize("frames_a_class", [10, 100])
@pytest.mark.parametrize("direction", [-1, 1])
def test_frames_that_are_far_from_everything_are_novel(frames_a_class: int, direction: int) -> None:
    classes = [0, 1, 2] * frames_a_class
    fit = fitted(pooled=frames_of(classes), targets=targets_of(classes), groups=range(len(classes)))
    far = [np.full((1, channels), direction * 1e3, np.float32) for channels in WIDTHS]
    assert fit.detector.score(far)[0] > fit.threshold
    without = replace(fit.detector, distance=replace(fit.detector.distance, far=np.zeros(1, np.float32)))
    known = frames_of(classes, seed=1)
    np.testing.assert_array_equal(fit.detector.score(known) > fit.threshold, without.score(known) > fit.threshold)


def test_a_duplicate_in_the_same_group_is_not_a_neighbour() -> None:
    once = frames_of(KNOWN)
    twice = [np.repeat(each, 12, axis=0) for each in once]  # more copies than the rank of the neighbour
    targets = np.repeat(targets_of(KNOWN), 12, axis=0)
    together = fitted(pooled=twice, targets=targets, groups=np.repeat(range(len(KNOWN)), 12).tolist())
    apart = fitted(pooled=twice, targets=targets, groups=range(len(targets)))
    assert apart.threshold < together.threshold  # the copies of a frame were part of its detector
    assert (apart.held_out <= together.held_out + 1e-3).mean() > 0.9


def test_the_same_seed_gives_the_same_detector() -> None:
    first, second = fitted(), fitted()
    np.testing.assert_array_equal(first.held_out, second.held_out)
    assert first.threshold == second.threshold


def test_multilabel_frames_without_labels_and_with_rare_sets_are_allowed() -> None:
    targets = targets_of(KNOWN)
    targets[:50] = 0
    targets[100] = 1
    assert np.isfinite(fitted(targets=targets).held_out).all()


def test_constant_features_give_finite_scores() -> None:
    pooled = [np.ones((len(KNOWN), channels), np.float32) for channels in WIDTHS]
    fit = fitted(pooled=pooled)
    assert np.isfinite(fit.held_out).all()
    assert np.isfinite(fit.detector.score(frames_of([3] * 5))).all()


def test_too_few_groups_give_no_detector() -> None:
    few = KNOWN[:FRAMES_MIN]
    pooled, targets = frames_of(few), targets_of(few)
    assert fit_detector(TAPS, pooled, targets, range(FRAMES_MIN), 0.01, 0) is not None
    assert fit_detector(TAPS, pooled, targets, [0, *range(FRAMES_MIN - 1)], 0.01, 0) is None


@pytest.mark.parametrize(
    ("frames", "rate", "rank"),
    [(999, 0.01, 990), (99, 0.01, 99), (100, 0.05, 96), (1000, 0.25, 751)],
)
def test_the_threshold_has_the_rank_of_split_conformal_prediction(frames: int, rate: float, rank: int) -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1, frames + 1)).astype(np.float32)
    assert choose_threshold(scores, rate) == (rank, False)


def test_with_too_few_frames_the_threshold_is_the_highest_score() -> None:
    assert choose_threshold(np.array([1, 3, 2], np.float32), 0.01) == (3, True)


SHIFTS = [np.random.default_rng(channels + 100).normal(size=(2, channels)).astype(np.float32) for channels in WIDTHS]


def copies_of(pooled: Sequence[Floats], seed: int) -> ChangedFrames:
    """Return two copies of each frame, shifted by 3 to 6 in one of two directions, the kinds of change."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 2, (2, len(pooled[0])))
    strengths = rng.uniform(3, 6, (2, len(pooled[0]), 1)).astype(np.float32)
    copies = [
        [tap + strengths[copy] * shift[kinds[copy]] for tap, shift in zip(pooled, SHIFTS, strict=True)]
        for copy in range(2)
    ]
    return ChangedFrames(copies, kinds)


def test_changed_copies_are_known_and_new_classes_still_novel() -> None:
    known, targets, groups = frames_of(KNOWN), targets_of(KNOWN), range(len(KNOWN))
    changed = copies_of(known, seed=5)
    fit = fit_detector(TAPS, known, targets, groups, 0.01, 0, changed)
    assert fit is not None
    fresh = frames_of(KNOWN, seed=1)
    again = copies_of(fresh, seed=6).pooled
    plain = fitted()
    assert np.mean([plain.detector.score(copy) > plain.threshold for copy in again]) > 0.9
    assert np.mean([fit.detector.score(copy) > fit.threshold for copy in again]) < 0.05
    assert np.mean(fit.detector.score(fresh) > fit.threshold) < 0.03
    assert np.mean(fit.detector.score(frames_of([3] * 50, seed=2)) > fit.threshold) > 0.9
    far = [np.full((1, channels), 1e3, np.float32) for channels in WIDTHS]
    assert fit.detector.score(far)[0] > fit.threshold


def test_at_most_a_twentieth_of_the_copies_is_novel() -> None:
    known, targets, groups = frames_of(KNOWN), targets_of(KNOWN), range(len(KNOWN))
    changed = copies_of(known, seed=5)
    wild = np.random.default_rng(7).normal(0, 40, (len(KNOWN), 1)).astype(np.float32)
    changed = ChangedFrames([changed.pooled[0], [tap + wild for tap in changed.pooled[1]]], changed.kinds)
    fit = fit_detector(TAPS, known, targets, groups, 0.01, 0, changed)
    assert fit is not None
    shares = [np.mean(fit.detector.score(copy) > fit.threshold) for copy in changed.pooled]
    assert np.mean(shares) < 0.06
    assert np.mean(fit.held_out > fit.threshold) < 0.01


def test_copies_follow_the_frames_that_are_selected() -> None:
    changed = copies_of(frames_of(KNOWN), seed=5)
    part = changed.at([4, 2])
    np.testing.assert_array_equal(part.kinds, changed.kinds[:, [4, 2]])
    np.testing.assert_array_equal(part.pooled[1][0], changed.pooled[1][0][[4, 2]])
