"""Drift of labels, confidence and unsure frames from sums of shares."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from stripwatch.worker.model.reference import ClassScores
from stripwatch.worker.observers.score_drift import LabelStat, score_drift, scores
from tests.tiny import TINY_REFERENCE


def parts(answers: dict[str, tuple[float, float, float]]) -> dict[LabelStat, float]:
    """Return sums from the share, confidence and unsure share of each label."""
    found: dict[LabelStat, float] = {}
    for label, (share, confidence, unsure) in answers.items():
        found |= {
            ("share", label): share,
            ("confidence", label): share * confidence,
            ("unsure", label): share * unsure,
        }
    return found


SHARES = st.lists(st.floats(0.01, 1), min_size=2, max_size=2).map(lambda each: [value / sum(each) for value in each])


@given(SHARES)
def test_another_mix_of_labels_only_changes_classes(shares: list[float]) -> None:
    grey, bright = shares
    usual = replace(
        TINY_REFERENCE, classes={"grey": ClassScores(0.9, 0.99, 0.01), "bright": ClassScores(0.1, 0.7, 0.3)}
    )
    found = score_drift(parts({"grey": (grey, 0.99, 0.01), "bright": (bright, 0.7, 0.3)}), usual)
    assert found["confidence"] == pytest.approx(0, abs=1e-9)
    assert found["unsure"] == pytest.approx(0, abs=1e-9)
    assert found["classes"] == pytest.approx(abs(grey - 0.9))


def test_lower_confidence_drifts_by_its_difference() -> None:
    sums = parts({"grey": (0.9, 0.75, 0.22), "bright": (0.1, 0.75, 0.22)})
    found = score_drift(sums, TINY_REFERENCE)
    assert found == pytest.approx({"classes": 0, "confidence": -0.2, "unsure": 0.2})
    assert scores(sums) == pytest.approx({"confidence": 0.75, "unsure": 0.22})
    assert "unsure" not in score_drift(sums, TINY_REFERENCE, unsure_counts=False)


def test_labels_missing_from_the_reference() -> None:
    assert score_drift(parts({"dark": (1.0, 0.9, 0.0)}), TINY_REFERENCE) == pytest.approx({"classes": 1})
    mixed = score_drift(parts({"dark": (0.5, 0.1, 1.0), "grey": (0.5, 0.95, 0.02)}), TINY_REFERENCE)
    assert mixed == pytest.approx({"classes": 0.5, "confidence": 0, "unsure": 0}, abs=1e-9)


@given(st.dictionaries(st.sampled_from(["dark", "grey", "bright"]), st.floats(0.01, 1), min_size=1))
def test_the_classes_distance_is_at_most_one(weights: dict[str, float]) -> None:
    total = sum(weights.values())
    found = score_drift(parts({at: (weight / total, 0.9, 0) for at, weight in weights.items()}), TINY_REFERENCE)
    assert -1e-9 <= found["classes"] <= 1 + 1e-9
    assert all(math.isfinite(value) for value in found.values())
