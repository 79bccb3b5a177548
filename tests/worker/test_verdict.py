"""Scores to verdicts, for labels that exclude each other and for labels that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import tiny_contract
from worker.bundle import Threshold
from worker.errors import SettingsError
from worker.settings import ThresholdOverride
from worker.verdict import Judge, judge_of

LABELS = ("clean", "pits", "scratch")


def judge(clean_label: str | None = "clean", one_label: bool = True, sure: float = 0.7, unsure: float = 0.3) -> Judge:
    return Judge(LABELS, clean_label, one_label, (Threshold(sure, unsure),) * 3, False)


@pytest.mark.parametrize(
    ("scores", "verdict", "label"),
    [
        ((0.9, 0.05, 0.05), "clean", "clean"),
        ((0.7, 0.2, 0.1), "clean", "clean"),
        ((0.6, 0.25, 0.15), "unsure", "clean"),
        ((0.7, 0.3, 0.0), "unsure", "clean"),
        ((0.1, 0.2, 0.7), "defect", "scratch"),
        ((0.3, 0.1, 0.6), "unsure", "scratch"),
    ],
)
def test_labels_that_exclude_each_other(scores: tuple[float, ...], verdict: str, label: str) -> None:
    judgement = judge().judge(scores)
    assert (judgement.verdict, judgement.label) == (verdict, label)
    assert [found for found, _ in judgement.defects] == ([label] if verdict == "defect" else [])


def test_without_a_clean_label_the_best_score_is_a_defect_or_unsure() -> None:
    assert judge(None).judge((0.7, 0.2, 0.1)).verdict == "defect"
    assert judge(None).judge((0.6, 0.3, 0.1)).verdict == "unsure"
    assert judge(None).judge((0.01, 0.02, 0.03)).verdict == "unsure"


def test_several_labels_at_once_are_several_defects_best_first() -> None:
    judgement = judge(None, one_label=False).judge((0.8, 0.1, 0.9))
    assert judgement.defects == (("scratch", 0.9), ("clean", 0.8))
    assert judge(None, one_label=False).judge((0.29, 0.1, 0.2)).verdict == "clean"
    assert judge(None, one_label=False).judge((0.31, 0.1, 0.2)).verdict == "unsure"


scores = st.tuples(*[st.floats(0, 1)] * 3)


@given(scores, st.sampled_from([None, "clean"]), st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_a_verdict_is_a_defect_exactly_when_a_defect_is_named(
    scores: tuple[float, ...], clean_label: str | None, one_label: bool, a: float, b: float
) -> None:
    judgement = judge(clean_label, one_label, max(a, b), min(a, b)).judge(scores)
    assert (judgement.verdict == "defect") == bool(judgement.defects)
    assert judgement.score == max(scores)
    assert all(label != clean_label and score >= max(a, b) for label, score in judgement.defects)
    if judgement.verdict == "clean":
        assert all(s < min(a, b) for s, label in zip(scores, LABELS, strict=True) if label != clean_label)


@given(scores)
def test_a_higher_threshold_never_makes_a_defect(scores: tuple[float, ...]) -> None:
    if judge(sure=0.5).judge(scores).verdict != "defect":
        assert judge(sure=0.8).judge(scores).verdict != "defect"


def test_settings_override_thresholds_and_events_can_tell() -> None:
    found = judge_of(tiny_contract(), {"bright": ThresholdOverride(sure=0.2)})
    assert found.thresholds == (Threshold(), Threshold(), Threshold(sure=0.2, unsure=0.2))
    assert found.overridden
    assert not judge_of(tiny_contract(), {}).overridden


def test_an_override_for_a_label_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"thresholds\.pink"):
        judge_of(tiny_contract(), {"pink": ThresholdOverride(sure=0.2)})
