from itertools import count

import numpy as np
import pytest

from stripwatch.training.novelty.leave_one_out import (
    FitNovelty,
    FittedNovelty,
    KnownFrames,
    Rows,
    leave_each_out,
)
from tests.training.novelty.clusters import A_LABEL, LABELS, CentreDetector, known_frames, points

pytestmark = pytest.mark.training


def fitter(known: KnownFrames, distance: float) -> FitNovelty:
    at = points(known, distance)
    return lambda train, labels: CentreDetector.fit(known, at, train, labels)


def test_a_separate_cluster_is_detected_when_it_is_left_out() -> None:
    known = known_frames()
    for label, found in leave_each_out(known, fitter(known, 20), held_only=False).items():
        result = found.result(counted=True)
        assert (result.unknown.detected.frames, result.unknown.detected.share) == (A_LABEL, 1.0), label
        assert result.unknown.auroc == 1.0
        assert result.unknown.missed == []
        assert result.false_alarms.frames == 2 * A_LABEL // 4


def test_a_class_like_the_others_is_missed_with_a_wrong_label() -> None:
    known = known_frames()
    found = leave_each_out(known, fitter(known, 0), held_only=False)["b"].result(counted=True)
    assert found.unknown.detected.share < 0.1
    assert found.unknown.auroc == pytest.approx(0.5, abs=0.15)
    assert len(found.unknown.missed) == A_LABEL - found.unknown.detected.detected
    assert {missed.predicted for missed in found.unknown.missed} == {"a", "c"}
    scores = [missed.score for missed in found.unknown.missed]
    assert scores == sorted(scores, reverse=True)
    assert {missed.label for missed in found.unknown.missed} == {"b"}


def test_nothing_is_fitted_on_the_left_out_class_or_on_held_out_frames() -> None:
    known = known_frames()
    fit, asked = fitter(known, 20), []

    def recorded(train: Rows, labels: Rows) -> FittedNovelty | None:
        asked.append((train, labels))
        return fit(train, labels)

    leave_each_out(known, recorded, held_only=False)
    for at, (train, labels) in enumerate(asked):
        assert at not in labels
        assert not known.targets[train, at].any()
        assert not set(train.tolist()) & set(known.held.tolist())
        assert len(train) == 2 * A_LABEL * 3 // 4


def test_over_folds_each_frame_of_a_class_is_judged_once() -> None:
    known = known_frames()
    found = leave_each_out(known, fitter(known, 20), held_only=True)["a"]
    assert [frame.name for frame in found.unknown.frames] == [f"a_{at}.png" for at in range(30, 40)]
    twice = found + found
    assert (len(twice.unknown.frames), len(twice.thresholds)) == (20, 2)


def test_progress_advances_once_per_class() -> None:
    known, calls = known_frames(), count()
    leave_each_out(known, fitter(known, 20), held_only=True, advance=lambda: next(calls))
    assert next(calls) == len(LABELS)


def test_a_class_is_missing_if_the_others_have_too_few_frames() -> None:
    known = known_frames()
    fit = fitter(known, 20)
    found = leave_each_out(known, lambda train, labels: None if 0 in labels else fit(train, labels), held_only=False)
    assert found.keys() == {"a"}


def test_of_two_classes_each_is_judged_by_a_detector_of_the_other() -> None:
    known = known_frames(("clean", "pit"))
    found = leave_each_out(known, fitter(known, 20), held_only=False)
    assert {label: set(each.unknown.predicted) for label, each in found.items()} == {"clean": {"pit"}, "pit": {"clean"}}
    assert all(each.unknown.novel.all() for each in found.values())


def test_a_frame_of_several_labels_is_left_out_with_each_of_them() -> None:
    known = known_frames()
    targets = known.targets.copy()
    both = known.train[known.targets[known.train, 0] > 0][:5]
    targets[both, 1] = 1
    several = KnownFrames(known.labels, known.frames, targets, known.train, known.held)
    asked: list[Rows] = []

    def recorded(train: Rows, labels: Rows) -> FittedNovelty:
        asked.append(train)
        return CentreDetector.fit(several, points(known, 20), train, labels)

    found = leave_each_out(several, recorded, held_only=False)
    assert all(not set(both.tolist()) & set(train.tolist()) for train in asked[:2])
    assert len(found["b"].unknown.frames) == A_LABEL + 5


def test_a_class_without_held_out_frames_has_no_share() -> None:
    known = known_frames()
    held = known.held[known.targets[known.held, 2] == 0]
    fewer = KnownFrames(known.labels, known.frames, known.targets, known.train, held)
    found = leave_each_out(fewer, fitter(known, 20), held_only=True)["c"].result(counted=True)
    assert (found.unknown.detected.frames, found.unknown.detected.low, found.unknown.detected.high) == (0, 0.0, 1.0)
    assert (found.unknown.auroc, found.unknown.median_margin) == (None, None)
    assert np.isfinite(found.thresholds).all()
