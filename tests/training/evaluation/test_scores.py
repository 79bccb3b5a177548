import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.run_evaluation import Interval
from stripwatch.export.runs.predicted_labels import predicted_labels
from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.scores import average_precisions, macro_f1_interval, measure_scores
from stripwatch.worker.contracts.model.model_record import ClassFigures

LABELS = ["a", "b", "never"]


def one_hot(positions: list[int]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.eye(len(LABELS), dtype=np.float32)[positions]


def test_metrics_of_a_small_example() -> None:
    validation = measure_scores(LABELS, one_hot([0, 0, 0, 1, 1]), one_hot([0, 0, 1, 1, 0]), "multiclass")
    assert validation.frames == 5
    assert validation.accuracy == pytest.approx(3 / 5)
    for label, ratio, frames in (("a", 2 / 3, 3), ("b", 1 / 2, 2)):
        found = validation.classes[label]
        assert (found.precision, found.recall, found.f1) == pytest.approx((ratio, ratio, ratio))
        assert found.frames == frames
    assert validation.classes["never"] == ClassFigures(0.0, 0.0, 0.0, 0)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@given(seed=st.integers(0, 1000))
def test_metrics_match_scikit_learn(task: Task, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((40, 3), np.float32)
    targets = one_hot(rng.integers(0, 3, 40).tolist())
    if task == "multilabel":
        targets = rng.integers(0, 2, (40, 3)).astype(np.float32)
    expected = precision_recall_fscore_support(targets > 0, predicted_labels(scores, task), zero_division=0)
    found = measure_scores(LABELS, targets, scores, task).classes.values()
    for at, name in enumerate(("precision", "recall", "f1", "frames")):
        np.testing.assert_allclose([getattr(figures, name) for figures in found], expected[at])


def test_a_multilabel_frame_is_correct_if_all_its_labels_are() -> None:
    targets = np.array([[1, 1, 0], [0, 0, 0], [1, 0, 0]], np.float32)
    scores = np.array([[0.9, 0.5, 0.1], [0.4, 0.49, 0], [0.9, 0.6, 0]], np.float32)
    assert measure_scores(LABELS, targets, scores, "multilabel").accuracy == pytest.approx(2 / 3)


def test_average_precision_is_none_without_frames() -> None:
    found = average_precisions(LABELS, one_hot([0, 0, 1]), one_hot([0, 1, 1]))
    assert found["never"] is None
    assert found["a"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_the_interval_is_not_empty_without_errors() -> None:
    found = share_interval(312, 312)
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(1 / (1 + 1.96**2 / 312), abs=1e-4)


def test_the_bootstrap_interval_matches_repeated_experiments() -> None:
    rng = np.random.default_rng(1)

    def draw() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.bool_]], ...]:
        truth = rng.integers(0, 2, 400)
        predicted = np.where(rng.random(400) < 0.9, truth, 1 - truth)
        return np.eye(2, dtype=bool)[truth], np.eye(2, dtype=bool)[predicted]

    truth, predicted = draw()
    found = macro_f1_interval(truth, predicted, seed=0)
    assert found is not None
    assert found.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    again = [f1_score(*draw(), average="macro") for _ in range(300)]
    spread = np.quantile(again, 0.975) - np.quantile(again, 0.025)
    assert found.high - found.low == pytest.approx(spread, rel=0.25)
    assert found.low < found.value < found.high


def test_labels_that_never_occur_do_not_count_in_the_macro_f1() -> None:
    truth = one_hot([0, 1, 1, 0]) > 0
    found = macro_f1_interval(truth, truth, seed=0)
    assert found is not None
    assert found.value == 1


def test_without_labels_the_macro_f1_is_none() -> None:
    nothing = np.zeros((5, 2), bool)
    assert macro_f1_interval(nothing, nothing, seed=0) is None


def test_resamples_without_labels_do_not_make_the_interval_nan() -> None:
    truth = np.zeros((5, 2), bool)
    truth[0, 0] = True
    assert macro_f1_interval(truth, truth, seed=0) == Interval(1, 1, 1)
