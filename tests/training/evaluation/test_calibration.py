import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.export.runs.run_folder import Task
from stripwatch.training.evaluation.calibration import applicable, expected_error, fit_temperature, reliability, scale
from stripwatch.training.evaluation.scores import Matrix
from stripwatch.worker.model.bundle import TEMPERATURE_MIN


def softmax(logits: Matrix) -> Matrix:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def honest(frames: int, task: Task) -> tuple[Matrix, Matrix]:
    """Return logits, and targets drawn with the probabilities that they represent."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1.5, (frames, 4)).astype(np.float32)
    if task == "multilabel":
        return logits, (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.float32)
    drawn = (rng.random((frames, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1)
    return logits, np.eye(4, dtype=np.float32)[np.minimum(drawn, 3)]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_the_temperature_restores_calibration(task: Task, factor: float) -> None:
    logits, targets = honest(6000, task)
    scores = softmax(factor * logits) if task == "multiclass" else np.asarray(1 / (1 + np.exp(-factor * logits)))
    temperature = fit_temperature(targets, scores, task)
    assert temperature == pytest.approx(factor, rel=0.07)
    assert expected_error(reliability(targets, scale(scores, temperature, task), task)) < 0.02
    if factor != 1:
        assert expected_error(reliability(targets, scores, task)) > 0.05


@given(st.floats(0.3, 4), st.integers(0, 100))
def test_scaled_scores_are_the_softmax_of_scaled_logits(temperature: float, seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 2, (5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        scale(softmax(logits), temperature, "multiclass"), softmax(logits / temperature), atol=1e-5
    )


def test_without_errors_the_temperature_ends_at_its_limit() -> None:
    targets = np.eye(3, dtype=np.float32)[[0, 1, 2] * 10]
    assert fit_temperature(targets, 0.4 * targets + 0.2, "multiclass") == pytest.approx(TEMPERATURE_MIN, rel=1e-3)


def test_calibration_error_of_a_small_example() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    scores = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.3, 0.7]], np.float32)
    bins = reliability(targets, scores, "multiclass")
    assert [found.answers for found in bins] == [1, 3]
    assert expected_error(bins) == pytest.approx(0.25 * 0.3 + 0.75 * (0.9 - 2 / 3), abs=1e-6)


def test_a_temperature_is_only_applied_with_enough_errors() -> None:
    targets = np.eye(2, dtype=np.float32)[[0] * 20]
    scores = np.array([[0.1, 0.9]] * 9 + [[0.9, 0.1]] * 11, np.float32)
    assert applicable(1.7, targets, scores, "multiclass") == 1
    scores[9] = [0.1, 0.9]
    assert applicable(1.7, targets, scores, "multiclass") == 1.7
