"""Deviations of novelty scores are measured in their own spread, and golden frames keep a distance to the threshold."""

import numpy as np
import pytest

from stripwatch.export.convert.fidelity.novelty_fidelity import NoveltyComparison, spread
from stripwatch.export.runs.facts.detector_facts import NoveltyFacts
from stripwatch.worker.model.bundle import Precision

pytestmark = pytest.mark.training

FACTS = NoveltyFacts(3.0, 0.01, "made by hand", 100, "0" * 64)
KERAS = np.random.default_rng(0).normal(0, 1, 1000).astype(np.float32)


def compared(candidate: np.ndarray[tuple[int, ...], np.dtype[np.float32]], precision: Precision) -> NoveltyComparison:
    return NoveltyComparison(FACTS, KERAS, np.asarray(candidate, np.float32), precision)


def test_the_spread_is_the_standard_deviation_without_outliers() -> None:
    assert spread(KERAS) == pytest.approx(1, abs=0.05)
    assert spread(np.append(KERAS, np.full(20, 1e6, np.float32))) == pytest.approx(1, abs=0.1)
    assert spread(np.full(9, -5, np.float32)) == 5
    assert spread(np.zeros(1, np.float32)) == 1


def test_counts_decisions_that_changed() -> None:
    candidate = KERAS.copy()
    candidate[:20], candidate[20:30] = 3.5, 2.5
    before = int((KERAS > 3).sum())
    fidelity = compared(candidate, "int8").fidelity
    assert fidelity.keras_share == before / 1000
    assert fidelity.share == pytest.approx((int((candidate[30:] > 3).sum()) + 20) / 1000)
    assert fidelity.agreement == pytest.approx(0.98, abs=0.002)
    assert fidelity.difference == pytest.approx(np.abs(candidate - KERAS).max() / spread(KERAS))


@pytest.mark.parametrize(("precision", "difference"), [("fp32", 0.01), ("fp16", 0.1), ("int8", 0.5)])
def test_golden_frames_are_similar_and_clearly_below_the_threshold(precision: Precision, difference: float) -> None:
    sigma = spread(KERAS)
    candidate = KERAS + np.where(np.arange(1000) % 2, 1.1, 0.9).astype(np.float32) * difference * sigma
    found = compared(candidate, precision)
    assert not found.golden[1::2].any()
    np.testing.assert_array_equal(found.golden[::2], KERAS[::2] <= 3 - 2 * difference * sigma)
    spec = found.spec(np.flatnonzero(found.golden).tolist())
    assert spec.tolerance == pytest.approx(2 * 0.9 * difference * sigma, rel=0.2)
    assert KERAS[found.golden].max() + spec.tolerance <= FACTS.threshold  # a device within the tolerance decides alike


def test_the_manifest_repeats_the_facts_of_the_run_and_the_measured_share() -> None:
    found = compared(KERAS, "fp32")
    spec = found.spec([0, 1])
    assert (spec.threshold, spec.false_alarm_rate, spec.method, spec.frames) == (3.0, 0.01, "made by hand", 100)
    assert spec.measured_share == found.fidelity.share == float((KERAS > 3).mean())
    assert spec.tolerance == pytest.approx(0.02 * spread(KERAS))
