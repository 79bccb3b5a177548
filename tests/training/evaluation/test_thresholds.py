import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stripwatch.export.convert.accuracy_gate import LIMITS
from stripwatch.export.results.run_evaluation import ChosenThreshold, OperatingPoint
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.calibration import worker_scores
from stripwatch.training.evaluation.thresholds import SCORE_DIFFERENCE_MAX, choose_threshold, choose_thresholds
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.verdict import DecisionPolicy

ONE = np.float32(1)
frames = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7, 0.9]), st.booleans()), min_size=1, max_size=30)
# Scores as networks compute them: arbitrary, saturated, and adjacent float32 numbers.
SATURATED = [1.0, float(np.nextafter(ONE, np.float32(0))), 0.999999, 0.99999, 0.9995, 0.5, 1e-6, 1e-30, 0.0]
score = st.one_of(st.floats(0, 1, width=32), st.sampled_from(SATURATED))
counted_frames = st.lists(st.tuples(score, st.booleans(), st.booleans()), min_size=1, max_size=60)
recalls = st.one_of(st.none(), st.floats(0.1, 1))


def figures(called: NDArray[np.bool_], positive: NDArray[np.bool_]) -> tuple[float, float]:
    right = int((called & positive).sum())
    return right / called.sum() if called.any() else 0.0, right / positive.sum() if positive.any() else 0.0


def stated(point: OperatingPoint) -> tuple[float, float]:
    return point.precision, point.recall


@given(counted_frames, recalls)
def test_precision_and_recall_are_those_at_the_threshold(
    found: list[tuple[float, bool, bool]], recall: float | None
) -> None:
    """Compare as the worker does, a float32 score with a double, and with both as float32."""
    scores = np.array([score for score, _, _ in found], np.float32)
    positive, counts = (np.array([row[at] for row in found]) for at in (1, 2))
    chosen = choose_threshold(scores, positive, counts, recall)
    assert 0 <= chosen.unsure.value <= chosen.sure.value <= 1
    for point in (chosen.unsure, chosen.sure):
        called = np.array([each >= point.value for each in scores.tolist()])
        assert stated(point) == figures(called & counts, positive)
        np.testing.assert_array_equal(scores >= np.float32(point.value), called)
    assert chosen.sure.reached == (chosen.sure.precision >= 0.99)
    assert chosen.unsure.reached == (recall is None or chosen.unsure.recall >= recall - 1e-9)


def network_scores(seed: int, frames: int, labels: int, task: Task) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return targets, and scores of an overconfident network, of which 3 % are wrong."""
    rng = np.random.default_rng(seed)
    if task == "multilabel":
        targets = rng.integers(0, 2, (frames, labels))
        flipped = np.abs(targets - (rng.random(targets.shape) < 0.03))
        logits = rng.normal(0, 4, targets.shape) + 12 * flipped - 6
        return targets.astype(np.float32), (1 / (1 + np.exp(-logits))).astype(np.float32)
    truth = rng.integers(0, labels, frames)
    shown = np.where(rng.random(frames) < 0.03, (truth + 1) % labels, truth)
    logits = rng.normal(0, 3, (frames, labels)) + 14 * np.eye(labels)[shown]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.eye(labels, dtype=np.float32)[truth], (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def policy(labels: list[str], chosen: dict[str, ChosenThreshold], task: Task, temperature: float) -> DecisionPolicy:
    thresholds = tuple(Threshold(chosen[label].sure.value, chosen[label].unsure.value) for label in labels)
    return DecisionPolicy(tuple(labels), None, task == "multiclass", thresholds, False, temperature)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 4.0])
@given(st.integers(0, 1000), recalls)
@settings(max_examples=20)
def test_the_worker_reaches_the_stated_precision_at_sure(
    task: Task, temperature: float, seed: int, recall: float | None
) -> None:
    labels = ["a", "b", "c"]
    targets, scores = network_scores(seed, 60, 3, task)
    chosen = choose_thresholds(labels, targets, scores, task, recall, temperature)
    judge = policy(labels, chosen, task, temperature)
    decisions = [judge.decide(row) for row in scores.tolist()]
    for at, label in enumerate(labels):
        called = np.array([at in decision.defects for decision in decisions])
        assert stated(chosen[label].sure) == figures(called, targets[:, at] > 0)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
@pytest.mark.parametrize(("count", "seed"), [(50, 1), (50, 2), (400, 3), (400, 4), (5000, 5)])
def test_rounding_moves_at_most_one_per_cent_of_the_frames(
    task: Task, temperature: float, count: int, seed: int
) -> None:
    labels = ["a", "b", "c"]
    targets, scores = network_scores(seed, count, 3, task)
    chosen = choose_thresholds(labels, targets, scores, task, None, temperature)
    moved = scores.astype(np.float64)
    step = np.random.default_rng(seed).choice([-1, 1], moved.shape) * SCORE_DIFFERENCE_MAX
    if task == "multiclass":  # the scores of a frame still add up to 1
        best = np.arange(3) == scores.argmax(axis=1)[:, None]
        own = np.clip(moved + step, 0, 1)
        others = moved * (1 - own[best])[:, None] / np.maximum(1 - moved[best], 1e-7)[:, None]
        moved = np.where(best, own, others)
    else:
        moved = np.clip(moved + step, 0, 1)
    here, there = (worker_scores(np.asarray(each, np.float32), temperature, task) for each in (scores, moved))
    counts = np.ones(here.shape, bool) if task == "multilabel" else here.argmax(axis=1)[:, None] == np.arange(3)
    for at, label in enumerate(labels):
        for value in (chosen[label].unsure.value, chosen[label].sure.value):
            if value == 0:
                continue  # all frames are at or above the threshold
            a, b = here[counts[:, at], at] >= value, there[counts[:, at], at] >= value
            assert (a != b).sum() <= 0.01 * a.sum()


def test_the_tolerance_equals_the_limit_of_the_accuracy_gate() -> None:
    assert LIMITS["fp32"].score_difference_max == SCORE_DIFFERENCE_MAX


def test_an_error_among_saturated_scores_counts() -> None:
    """A threshold 0.1 % below the score 1.0 would include the errors right below it."""
    scores = np.array([1.0] * 3 + [0.9995] * 50 + [0.1], np.float32)
    positive = np.array([True] * 3 + [False] * 50 + [True])
    chosen = choose_threshold(scores, positive, np.ones(len(scores), bool), None)
    assert chosen.sure.value == pytest.approx(0.99975, abs=1e-4)
    assert (chosen.sure.precision, chosen.sure.reached) == (1, True)


def test_does_not_separate_scores_that_rounding_could_swap() -> None:
    scores = np.array([1.0, 1.0, 0.99999, 0.99999, 0.2], np.float32)
    positive = np.array([True, True, True, False, False])
    chosen = choose_threshold(scores, positive, np.ones(5, bool), None)
    assert stated(chosen.sure) == (0.75, 1)
    assert not chosen.sure.reached


def test_chooses_a_threshold_among_many_close_scores() -> None:
    """No gap between scores is wide enough, but a difference of 5e-5 moves less than 1 % of the frames."""
    scores = np.linspace(0, 1, 50_000, dtype=np.float32)
    chosen = choose_threshold(scores, scores > 0.6, np.ones(len(scores), bool), None)
    assert chosen.unsure.value == pytest.approx(0.6, abs=1e-3)
    assert chosen.sure.precision >= 0.99


@pytest.mark.parametrize("gap", [0.3, 0.01, 0.0005, 0.00012])
def test_thresholds_have_few_digits(gap: float) -> None:
    scores = np.array([0.9123456, 0.9123456 - gap], np.float32)
    chosen = choose_threshold(scores, np.array([True, False]), np.ones(2, bool), None)
    for point in (chosen.unsure, chosen.sure):
        assert len(repr(point.value)) <= 2 + 6
        assert scores[0] > point.value > scores[1]


@given(frames, recalls)
def test_no_other_threshold_is_better(found: list[tuple[float, bool]], recall: float | None) -> None:
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
def test_sure_is_not_below_unsure_and_has_the_stated_precision(found: list[tuple[float, bool]]) -> None:
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
    if not chosen.sure.reached:  # otherwise no threshold above unsure has a better precision
        suspected = scores[scores >= chosen.unsure.value]
        assert precision == pytest.approx(max(positive[scores >= level].mean() for level in suspected))


def test_scores_between_the_labels_are_unsure() -> None:
    scores = np.array([0.9, 0.8, 0.4, 0.1], np.float32)
    chosen = choose_threshold(scores, np.array([True, True, False, False]), np.ones(4, bool), None)
    assert (chosen.unsure.value, chosen.sure.value) == (0.6, 0.799)
    assert stated(chosen.unsure) == stated(chosen.sure) == (1, 1)


def test_an_error_between_correct_scores_raises_sure() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.1], np.float32)
    chosen = choose_threshold(scores, np.array([True, True, False, True, False]), np.ones(5, bool), None)
    assert (chosen.unsure.value, chosen.sure.value) == (0.35, 0.799)
    assert chosen.sure.recall == pytest.approx(2 / 3)


def test_in_multiclass_a_frame_counts_only_for_its_best_label() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    chosen = choose_thresholds(["a", "b"], targets, scores, "multiclass", 0.98)
    assert (chosen["a"].unsure.recall, chosen["a"].unsure.reached) == (0.5, False)
    both = chosen["b"].unsure
    assert (both.recall, both.precision, both.reached) == (1, 1, True)
    assert choose_thresholds(["a", "b"], targets, scores, "multilabel", 0.98)["a"].unsure.reached
