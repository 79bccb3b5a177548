"""The manifest contains the facts of a run and its evaluation."""

from typing import Any

import pytest
from msgspec.structs import replace

from stripwatch.export.convert.pack import Facts, describe
from stripwatch.export.results.run_evaluation import Evaluation
from stripwatch.worker.contracts.model.model_record import Bin, Fidelity
from stripwatch.worker.model.bundle import GoldenFrame, Manifest, Precision, Threshold
from stripwatch.worker.model.verdict import decision_policy
from tests.export.runs.records import EVALUATION, RUN

pytestmark = pytest.mark.training

FIDELITY = Fidelity(1, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, "float32")


def described(evaluation: Evaluation | None, precision: Precision = "fp32", difference: float = 0.0) -> Manifest:
    golden = [GoldenFrame("g", "a", b"", [0.9, 0.1])]
    return describe(RUN, evaluation, Facts("n", "1", "data", precision, golden, difference, FIDELITY, {"onnx": "1"}))


def test_the_manifest_has_the_thresholds_and_applied_temperature_of_the_evaluation() -> None:
    manifest = described(EVALUATION)
    assert manifest.thresholds == {"a": Threshold(0.6, 0.3), "b": Threshold(0.9, 0.2)}
    assert manifest.thresholds_chosen == "recall 0.98 on validation"
    judge = decision_policy(manifest, {})
    assert judge.temperature == 1.5  # the applied temperature, not the fitted one
    assert [judge.decide(scores).verdict for scores in ([0.95, 0.05], [0.6, 0.4])] == ["defect", "unsure"]


def test_the_manifest_has_figures_of_validation_but_not_of_a_test_set() -> None:
    assert described(EVALUATION).validation.macro_f1 == 0.75
    assert described(EVALUATION).validation.confusion == [[3, 1], [0, 4]]
    assert described(EVALUATION).validation.reliability == [Bin(8, 0.9, 0.875)]
    elsewhere = described(replace(EVALUATION, measured_on="test"))
    assert elsewhere.validation == RUN.validation
    assert elsewhere.thresholds["a"] == Threshold(0.6, 0.3)


def test_a_run_without_evaluation_has_default_thresholds() -> None:
    manifest = described(None)
    assert manifest.thresholds == {"a": Threshold(), "b": Threshold()}
    assert (manifest.thresholds_chosen, manifest.temperature) == ("default", 1.0)


@pytest.mark.parametrize(
    ("precision", "difference", "tolerance"),
    [("fp32", 1e-5, 1e-4), ("fp16", 1e-4, 2e-3), ("fp16", 0.004, 0.008), ("int8", 0.02, 0.04)],
)
def test_the_score_tolerance_depends_on_the_precision(precision: Any, difference: float, tolerance: float) -> None:
    assert described(None, precision, difference).score_tolerance == pytest.approx(tolerance)
