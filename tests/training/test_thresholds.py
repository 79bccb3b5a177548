import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.thresholds import choose_threshold, choose_thresholds

frames = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=30)


@given(frames, st.one_of(st.none(), st.floats(0.1, 1)))
def test_no_other_threshold_does_better(found: list[tuple[float, bool]], recall: float | None) -> None:
    scores = np.array([score for score, _ in found], np.float32)
    positive = np.array([there for _, there in found])
    chosen = choose_threshold(scores, positive, np.ones(len(found), bool), recall)
    if not positive.any():
        assert chosen.value == 0.5
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


def test_the_threshold_lies_between_the_labels() -> None:
    scores = np.array([0.9, 0.8, 0.4, 0.1], np.float32)
    chosen = choose_threshold(scores, np.array([True, True, False, False]), np.ones(4, bool), None)
    assert chosen.value == pytest.approx(0.6)
    assert (chosen.precision, chosen.recall) == (1, 1)


def test_in_multiclass_a_frame_counts_for_its_best_label_alone() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    chosen = choose_thresholds(["a", "b"], targets, scores, "multiclass", 0.98)
    assert (chosen["a"].recall, chosen["a"].reached) == (0.5, False)
    assert (chosen["b"].recall, chosen["b"].precision, chosen["b"].reached) == (1, 1, True)
    assert choose_thresholds(["a", "b"], targets, scores, "multilabel", 0.98)["a"].reached
