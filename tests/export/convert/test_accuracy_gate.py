import math

import msgspec
import numpy as np
import pytest

from stripwatch.export.convert.accuracy_gate import LIMITS, GateLimits, measure_fidelity, violated_limits
from stripwatch.worker.contracts.model.model_record import Fidelity, NoveltyFidelity

pytestmark = pytest.mark.training

TARGETS = np.eye(3, dtype=bool)[[0, 0, 1, 1, 2]]
KERAS = np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.1, 0.9, 0], [0.2, 0.8, 0], [0.7, 0, 0.3]], np.float32)
SAME = Fidelity(100, 1.0, 0.0, 0.9, 0.9, 0.9, 0.9, "float32")


def test_fidelity_counts_changed_predictions_and_lost_accuracy() -> None:
    found = KERAS.copy()
    found[1], found[4] = [0.4, 0.6, 0], [0.2, 0, 0.8]
    fidelity = measure_fidelity(KERAS, found, TARGETS, "multiclass", "made up")
    assert (fidelity.frames, fidelity.scheme) == (5, "made up")
    assert fidelity.agreement == pytest.approx(0.6)
    assert fidelity.score_difference == pytest.approx(0.5)
    assert [fidelity.keras_accuracy, fidelity.accuracy] == pytest.approx([0.8, 0.8])
    assert fidelity.keras_macro_f1 == pytest.approx((2 * 2 / 5 + 1 + 0) / 3)


def test_in_multilabel_every_label_must_be_correct() -> None:
    keras = np.array([[0.9, 0.8], [0.4, 0.1]], np.float32)
    found = np.array([[0.9, 0.4], [0.4, 0.1]], np.float32)
    fidelity = measure_fidelity(keras, found, keras >= 0.5, "multilabel", "")
    assert (fidelity.agreement, fidelity.accuracy, fidelity.keras_accuracy) == (0.5, 0.5, 1.0)


def test_the_macro_f1_of_one_label_is_its_f1() -> None:
    scores, targets = np.array([[0.9], [0.9]], np.float32), np.array([[True], [False]])
    assert measure_fidelity(scores, scores, targets, "multilabel", "").macro_f1 == pytest.approx(2 / 3)


def test_identical_predictions_pass_at_every_precision() -> None:
    for limits in LIMITS.values():
        assert violated_limits(SAME, limits) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agreement": 0.97}, "agreement with Keras is 0.9700, the minimum is 0.98"),
        ({"score_difference": 0.6}, "score difference is 0.6, the limit is 0.5"),
        ({"score_difference": float("nan")}, "score difference is nan"),
        ({"accuracy": 0.894}, "accuracy loss in percentage points is 0.6, the limit is 0.5"),
        ({"macro_f1": 0.8}, "macro-F1 loss in percentage points is 10, the limit is 0.5"),
    ],
)
def test_names_each_violated_limit_and_the_measured_value(changes: dict[str, float], message: str) -> None:
    (violation,) = violated_limits(msgspec.structs.replace(SAME, **changes), LIMITS["int8"])
    assert message in violation


def test_values_at_the_limit_and_better_than_keras_pass() -> None:
    edge = msgspec.structs.replace(SAME, accuracy=0.895, macro_f1=0.895, agreement=0.98, score_difference=0.5)
    assert violated_limits(edge, LIMITS["int8"]) == []
    better = msgspec.structs.replace(SAME, accuracy=1.0, macro_f1=1.0)
    assert violated_limits(better, GateLimits(0.9, 0.5, 0.0, 0.0)) == []


@pytest.mark.parametrize(
    ("novelty", "messages"),
    [
        (NoveltyFidelity(1.0, 0.01, 0.01, 0.1), []),
        (NoveltyFidelity(0.985, 0.02, 0.01, 0.1), []),
        (NoveltyFidelity(0.985, 0.0, 0.015, 0.1), []),
        (
            NoveltyFidelity(0.985, 0.025, 0.01, 0.1),
            ["rise of novel validation frames in percentage points is 1.5, the limit is 1"],
        ),
        (
            NoveltyFidelity(0.97, 0.01, 0.01, 9.0),
            ["agreement with Keras on novel frames is 0.9700, the minimum is 0.98"],
        ),
        (NoveltyFidelity(1.0, 0.01, 0.01, math.nan), ["a novelty score is not a finite number"]),
    ],
)
def test_limits_false_alarms_and_changed_novelty_decisions(novelty: NoveltyFidelity, messages: list[str]) -> None:
    assert violated_limits(msgspec.structs.replace(SAME, novelty=novelty), LIMITS["int8"]) == messages


def test_limits_on_novelty_do_not_apply_by_default() -> None:
    wrong = msgspec.structs.replace(SAME, novelty=NoveltyFidelity(0.0, 1.0, 0.0, 9.0))
    assert violated_limits(wrong, GateLimits(0.9, 0.5, 0.0, 0.0)) == []
