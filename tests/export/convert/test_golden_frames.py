import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stripwatch.export.convert.golden_frames import choose_golden, missing_labels, usual_count


def rows(*best: tuple[int, float], labels: int = 3) -> NDArray[np.float32]:
    """Score rows that give one label its score and share the rest evenly."""
    scores = np.empty((len(best), labels), np.float32)
    for row, (label, score) in zip(scores, best, strict=True):
        row[:] = (1 - score) / (labels - 1)
        row[label] = score
    return scores


def one_hot(*truth: int, labels: int = 3) -> NDArray[np.bool_]:
    return np.eye(labels, dtype=bool)[list(truth)]


def test_each_label_has_its_surest_and_the_hardest_right_ones_follow() -> None:
    targets = one_hot(0, 0, 0, 1, 1, 2, 2)
    scores = rows((0, 0.9), (0, 0.6), (0, 0.99), (1, 0.8), (1, 0.7), (2, 0.95), (2, 0.5))
    assert choose_golden("multiclass", targets, scores, 3) == [2, 3, 5]
    assert choose_golden("multiclass", targets, scores, 4) == [2, 3, 5, 6]
    assert choose_golden("multiclass", targets, scores, 5) == [1, 2, 3, 5, 6]


def test_a_label_without_a_right_frame_is_left_out_and_named() -> None:
    targets = one_hot(0, 1, 1)
    chosen = choose_golden("multiclass", targets, rows((0, 0.9), (0, 0.9), (2, 0.6)), 6)
    assert chosen == [0]
    assert missing_labels(["a", "b", "c"], targets, chosen) == ["b", "c"]


def test_a_frame_that_rounding_could_turn_is_not_golden() -> None:
    scores = np.array([[0.505, 0.495], [0.52, 0.48]], np.float32)
    assert choose_golden("multiclass", one_hot(0, 0, labels=2), scores, 2) == [1]


def test_of_several_labels_all_must_be_on_their_side_and_clean_frames_are_not_taken() -> None:
    targets = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]], bool)
    scores = np.array([[0.9, 0.8, 0.1], [0.1, 0.99, 0.6], [0.1, 0.7, 0.2], [0, 0, 0], [0.1, 0.1, 0.505]], np.float32)
    chosen = choose_golden("multilabel", targets, scores, 5)
    assert chosen == [0, 2]
    assert missing_labels(["a", "b", "c"], targets, chosen) == ["c"]


def test_two_a_label_up_to_twelve_and_never_fewer_than_one() -> None:
    assert [usual_count(labels) for labels in (1, 2, 6, 8, 30)] == [2, 4, 12, 12, 30]


@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(1, 40), st.integers(1, 20))
def test_what_is_chosen_is_right_and_stands_for_every_label_that_can(
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
