import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.evaluation.thresholds import choose_threshold, choose_thresholds

frames = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=30)


@given(frames, st.one_of(st.none(), st.floats(0.1, 1)))
def test_no_other_threshold_does_better(found: list[tuple[float, bool]], recall: float | None) -> None:
    scores = np.array([score for score, _ in found], np.float32)
    positive = np.array([there for _, there in found])
    both = choose_threshold(scores, positive, np.ones(len(found), bool), recall)
    chosen = both.unsure
    if not positive.any():
        assert chosen.value == both.sure.value == 0.5
        return

    def reach(threshold: float) -> tuple[float, float]:
        called = scores >= threshold
        right = (called & positive).sum()
        return right / positive.sum(), 2 * right / (called.sum() + positive.sum())

    others = [reach(threshold) for threshold in (0, 0.15, 0.25, 0.4, 0.6, 0.8, 0.95)]
    assert reach(chosen.value)[0] == pytest.approx(chosen.recall)
    if recall is None:
        assert reach(chosen.value)[1] == pytest.approx(max(f1 for _, f1 in others))
    else:
        assert chosen.recall >= recall - 1e-9
        enough = [threshold for threshold in (0, 0.15, 0.25, 0.4, 0.6, 0.8) if reach(threshold)[0] >= recall - 1e-9]
        assert (scores >= chosen.value).sum() == min((scores >= threshold).sum() for threshold in enough)


@given(frames)
def test_sure_is_not_under_unsure_and_nearly_always_right(found: list[tuple[float, bool]]) -> None:
    scores = np.array([score for score, _ in found], np.float32)
    positive = np.array([there for _, there in found])
    chosen = choose_threshold(scores, positive, np.ones(len(found), bool), None)
    assert chosen.unsure.value <= chosen.sure.value
    if not positive.any():
        return
    called = scores >= chosen.sure.value
    precision = positive[called].mean()
    assert precision == pytest.approx(chosen.sure.precision)
    assert chosen.sure.reached == (precision >= 0.99)
    if not chosen.sure.reached:  # then nowhere above the suspicion is it better
        suspected = scores[scores >= chosen.unsure.value]
        assert precision == pytest.approx(max(positive[scores >= level].mean() for level in suspected))


def test_between_the_labels_nobody_has_been_so_there_it_is_unsure() -> None:
    scores = np.array([0.9, 0.8, 0.4, 0.1], np.float32)
    chosen = choose_threshold(scores, np.array([True, True, False, False]), np.ones(4, bool), None)
    assert chosen.unsure.value == pytest.approx(0.6)
    assert chosen.sure.value == pytest.approx(0.8, rel=2e-3)
    assert chosen.sure.value < 0.8
    assert (chosen.unsure.precision, chosen.unsure.recall) == (chosen.sure.precision, chosen.sure.recall) == (1, 1)


def test_a_wrong_answer_between_right_ones_makes_it_unsure_from_there_down() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1], np.float32)
    chosen = choose_threshold(scores, np.array([True, True, False, True, False]), np.ones(5, bool), None)
    assert chosen.unsure.value == pytest.approx(0.35)
    assert chosen.sure.value == pytest.approx(0.8, rel=2e-3)
    assert chosen.sure.recall == pytest.approx(2 / 3)


def test_in_multiclass_a_frame_counts_for_its_best_label_alone() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    chosen = choose_thresholds(["a", "b"], targets, scores, "multiclass", 0.98)
    assert (chosen["a"].unsure.recall, chosen["a"].unsure.reached) == (0.5, False)
    both = chosen["b"].unsure
    assert (both.recall, both.precision, both.reached) == (1, 1, True)
    assert choose_thresholds(["a", "b"], targets, scores, "multilabel", 0.98)["a"].unsure.reached
