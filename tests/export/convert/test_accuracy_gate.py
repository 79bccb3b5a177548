import msgspec
import numpy as np
import pytest

from stripwatch.export.convert.accuracy_gate import LIMITS, GateLimits, measure_fidelity, violated_limits
from stripwatch.worker.model.bundle import Fidelity

pytestmark = pytest.mark.training

TARGETS = np.eye(3, dtype=bool)[[0, 0, 1, 1, 2]]
KERAS = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.1, 0.9, 0], [0.2, 0.8, 0], [0.7, 0, 0.3]], np.float32)
SAME = Fidelity(100, 1.0, 0.0, 0.9, 0.9, 0.9, 0.9, "float32")


def test_fidelity_counts_answers_that_differ_and_what_they_cost() -> None:
    found = KERAS.copy()
    found[1], found[4] = [0.4, 0.6, 0], [0.2, 0, 0.8]
    fidelity = measure_fidelity(KERAS, found, TARGETS, "multiclass", "made up")
    assert (fidelity.frames, fidelity.scheme) == (5, "made up")
    assert fidelity.agreement == pytest.approx(0.6)
    assert fidelity.score_difference == pytest.approx(0.5)
    assert [fidelity.keras_accuracy, fidelity.accuracy] == pytest.approx([0.8, 0.8])
    assert fidelity.keras_macro_f1 == pytest.approx((2 * 2 / 5 + 1 + 0) / 3)


def test_of_several_labels_each_must_be_on_its_side() -> None:
    keras = np.array([[0.9, 0.8], [0.4, 0.1]], np.float32)
    found = np.array([[0.9, 0.4], [0.4, 0.1]], np.float32)
    fidelity = measure_fidelity(keras, found, keras >= 0.5, "multilabel", "")
    assert (fidelity.agreement, fidelity.accuracy, fidelity.keras_accuracy) == (0.5, 0.5, 1.0)


def test_the_macro_f1_of_a_single_label_is_the_f1_of_that_label() -> None:
    scores, targets = np.array([[0.9], [0.9]], np.float32), np.array([[True], [False]])
    assert measure_fidelity(scores, scores, targets, "multilabel", "").macro_f1 == pytest.approx(2 / 3)


def test_the_same_answers_pass_at_every_precision() -> None:
    for limits in LIMITS.values():
        assert violated_limits(SAME, limits) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"agreement": 0.97}, "agreement is 0.9700, at least 0.98"),
        ({"score_difference": 0.6}, "a score differs by 0.6, at most 0.5"),
        ({"score_difference": float("nan")}, "a score differs by nan"),
        ({"accuracy": 0.894}, "points of accuracy lost: 0.6, at most 0.5"),
        ({"macro_f1": 0.8}, "points of macro-F1 lost: 10, at most 0.5"),
    ],
)
def test_each_limit_is_named_with_by_how_much(changes: dict[str, float], says: str) -> None:
    (said,) = violated_limits(msgspec.structs.replace(SAME, **changes), LIMITS["int8"])
    assert says in said


def test_what_is_just_allowed_passes_and_better_than_keras_is_no_loss() -> None:
    edge = msgspec.structs.replace(SAME, accuracy=0.895, macro_f1=0.895, agreement=0.98, score_difference=0.5)
    assert violated_limits(edge, LIMITS["int8"]) == []
    better = msgspec.structs.replace(SAME, accuracy=1.0, macro_f1=1.0)
    assert violated_limits(better, GateLimits(0.9, 0.5, 0.0, 0.0)) == []
