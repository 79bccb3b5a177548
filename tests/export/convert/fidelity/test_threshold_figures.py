"""Precision and recall in a bundle belong to its own scores at its own thresholds."""

import numpy as np
import pytest
from msgspec.structs import replace

from stripwatch.export.convert.drift_reference import decide_all
from stripwatch.export.convert.fidelity.threshold_figures import lost_precision, measure_thresholds
from stripwatch.export.results.run_evaluation import ChosenThreshold, OperatingPoint
from stripwatch.worker.contracts.model.model_record import ThresholdFigures
from stripwatch.worker.model.bundle import Threshold
from tests.export.runs.records import EVALUATION
from tests.tiny import LABELS, tiny_contract

SCORES = np.array([[0.9, 0.06, 0.04], [0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]], np.float32)
TARGETS = np.eye(3, dtype=bool)[[0, 1, 0, 1]]


def test_in_multiclass_a_label_counts_if_it_is_best_and_reaches_its_threshold() -> None:
    manifest = tiny_contract(thresholds={label: Threshold(sure=0.8, unsure=0.65) for label in LABELS})
    found = measure_thresholds(manifest, decide_all(manifest, SCORES), TARGETS)
    assert found[LABELS[0]] == ThresholdFigures(1.0, 0.5, 0.5, 0.5)
    assert found[LABELS[1]] == found[LABELS[2]] == ThresholdFigures(0, 0, 0, 0)


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_in_multilabel_every_label_counts(temperature: float) -> None:
    manifest = tiny_contract(
        task="multilabel",
        temperature=temperature,
        clean_label=None,
        thresholds={label: Threshold(sure=0.55, unsure=0.4) for label in LABELS},
    )
    decisions = decide_all(manifest, SCORES)
    found = measure_thresholds(manifest, decisions, TARGETS)
    for at, label in enumerate(LABELS):
        called = np.array([at in decision.defects for decision in decisions])
        right = (called & TARGETS[:, at]).sum()
        assert found[label].sure_precision == (right / called.sum() if called.any() else 0)
    assert found[LABELS[1]].unsure_recall == 0.5


def test_warns_of_a_bundle_with_lower_precision_than_keras() -> None:
    stated = ChosenThreshold(OperatingPoint(0.3, 0.9, 1.0, True), OperatingPoint(0.9, 0.99, 0.5, True))
    evaluation = replace(EVALUATION, thresholds={"a": stated, "b": stated})
    found = {"a": ThresholdFigures(0.97, 0.5, 0.9, 1.0), "b": ThresholdFigures(0.985, 0.5, 0.9, 1.0)}
    (warning,) = lost_precision(found, evaluation)
    assert "label 'a': precision at the threshold `sure` is 0.9700" in warning
    assert "set thresholds.a.sure" in warning
