from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stripwatch.export.convert.golden_frames import (
    GoldenTolerance,
    choose_golden,
    missing_labels,
    pick_golden,
    usual_count,
)
from stripwatch.export.convert.validation_scores import ScoredValidation
from stripwatch.export.runs.run_folder import Split, SplitFrame
from stripwatch.worker.common.errors import ExportRejectedError
from tests.export.runs.records import RUN


def rows(*best: tuple[int, float], labels: int = 3) -> NDArray[np.float32]:
    """Return score rows that give one label a score and divide the rest evenly among the others."""
    scores = np.empty((len(best), labels), np.float32)
    for row, (label, score) in zip(scores, best, strict=True):
        row[:] = (1 - score) / (labels - 1)
        row[label] = score
    return scores


def one_hot(*truth: int, labels: int = 3) -> NDArray[np.bool_]:
    return np.eye(labels, dtype=bool)[list(truth)]


def test_chooses_the_largest_margin_of_each_label_then_the_smallest_margins() -> None:
    targets = one_hot(0, 0, 0, 1, 1, 2, 2)
    scores = rows((0, 0.9), (0, 0.6), (0, 0.99), (1, 0.8), (1, 0.7), (2, 0.95), (2, 0.5))
    assert choose_golden("multiclass", targets, scores, 3) == [2, 3, 5]
    assert choose_golden("multiclass", targets, scores, 4) == [2, 3, 5, 6]
    assert choose_golden("multiclass", targets, scores, 5) == [1, 2, 3, 5, 6]


def test_chooses_only_allowed_frames() -> None:
    targets = one_hot(0, 0, 1, 1)
    scores = rows((0, 0.9), (0, 0.99), (1, 0.8), (1, 0.95))
    assert choose_golden("multiclass", targets, scores, 2) == [1, 3]
    assert choose_golden("multiclass", targets, scores, 2, allowed=np.array([True, False, True, False])) == [0, 2]
    assert choose_golden("multiclass", targets, scores, 2, allowed=np.zeros(4, bool)) == []


def test_names_a_label_without_a_correct_frame() -> None:
    targets = one_hot(0, 1, 1)
    chosen = choose_golden("multiclass", targets, rows((0, 0.9), (0, 0.9), (2, 0.6)), 6)
    assert chosen == [0]
    assert missing_labels(["a", "b", "c"], targets, chosen) == ["b", "c"]


def test_skips_frames_whose_label_rounding_could_change() -> None:
    scores = np.array([[0.505, 0.495], [0.52, 0.48]], np.float32)
    assert choose_golden("multiclass", one_hot(0, 0, labels=2), scores, 2) == [1]


@pytest.mark.parametrize(
    ("near", "advice"),
    [
        (None, "by a clear margin; train the model further"),
        (
            GoldenTolerance(np.ones(2, np.float32), 0.01),
            "by a clear margin with similar scores in Keras and the exported model; train the model further, or export "
            "it with --precision fp32",
        ),
    ],
    ids=["fp32", "int8"],
)
def test_says_what_to_do_if_no_frame_qualifies(near: GoldenTolerance | None, advice: str) -> None:
    frames = [SplitFrame(f"{label}.png", label, "") for label in "ab"]
    run = msgspec.structs.replace(RUN, labels=["a", "b"], split=Split([], frames))
    undecided = ScoredValidation(run, Path(), np.full((2, 2), 0.5, np.float32))
    with pytest.raises(ExportRejectedError, match=f"{advice}$"):
        pick_golden(undecided, near, None, None)


def test_in_multilabel_all_labels_must_be_correct_and_clean_frames_are_skipped() -> None:
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    scores = np.array([[0.9, 0.8, 0.1], [0.1, 0.99, 0.6], [0.1, 0.7, 0.2], [0, 0, 0], [0.1, 0.1, 0.505]], np.float32)
    chosen = choose_golden("multilabel", targets, scores, 5)
    assert chosen == [0, 2]
    assert missing_labels(["a", "b", "c"], targets, chosen) == ["c"]


def test_default_count_is_two_per_label_up_to_twelve_but_at_least_one() -> None:
    assert [usual_count(labels) for labels in (1, 2, 6, 8, 30)] == [2, 4, 12, 12, 30]


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 40), st.integers(1, 20))
def test_chosen_frames_are_correct_and_cover_every_possible_label(
    seed: int, labels: int, frames: int, count: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.full(labels, 0.3), frames).astype(np.float32)
    truth = rng.integers(0, labels, frames)
    chosen = choose_golden("multiclass", np.eye(labels, dtype=bool)[truth], scores, count)
    assert len(set(chosen)) == len(chosen)
    assert all(scores[at].argmax() == truth[at] for at in chosen)
    lead = np.diff(np.sort(scores, axis=1)[:, -2:]).ravel()
    possible = {int(truth[at]) for at in range(frames) if scores[at].argmax() == truth[at] and lead[at] >= 0.02}
    assert {int(truth[at]) for at in chosen} == possible
    assert len(chosen) <= max(count, len(possible))
