"""Verdicts from scores, for multiclass and multilabel models."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.observer_sections import NoveltySettings
from stripwatch.worker.config.plant_sections import ThresholdOverride
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.verdict import DecisionPolicy, calibrate, decision_policy
from tests.tiny import NOVELTY, tiny_contract, watchful_contract

LABELS = ("clean", "pits", "scratch")


def judge(
    clean_label: str | None = "clean", single_label: bool = True, sure: float = 0.7, unsure: float = 0.3
) -> DecisionPolicy:
    return DecisionPolicy(LABELS, clean_label, single_label, (Threshold(sure, unsure),) * 3, False)


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
def test_decides_for_labels_that_exclude_each_other(scores: tuple[float, ...], verdict: str, label: str) -> None:
    decision = judge().decide(scores)
    assert (decision.verdict, decision.label) == (verdict, label)
    assert [LABELS[at] for at in decision.defects] == ([label] if verdict == "defect" else [])


def test_without_a_clean_label_the_best_score_is_a_defect_or_unsure() -> None:
    assert judge(None).decide((0.7, 0.2, 0.1)).verdict == "defect"
    assert judge(None).decide((0.6, 0.3, 0.1)).verdict == "unsure"
    assert judge(None).decide((0.01, 0.02, 0.03)).verdict == "unsure"


def test_several_labels_at_once_are_several_defects_best_first() -> None:
    decision = judge(None, single_label=False).decide((0.8, 0.1, 0.9))
    assert [LABELS[at] for at in decision.defects] == ["scratch", "clean"]
    assert judge(None, single_label=False).decide((0.29, 0.1, 0.2)).verdict == "clean"
    assert judge(None, single_label=False).decide((0.31, 0.1, 0.2)).verdict == "unsure"


scores = st.tuples(*[st.floats(0, 1)] * 3)


@given(scores, st.sampled_from([None, "clean"]), st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_a_verdict_is_a_defect_exactly_when_a_defect_is_named(
    scores: tuple[float, ...], clean_label: str | None, single_label: bool, a: float, b: float
) -> None:
    decision = judge(clean_label, single_label, max(a, b), min(a, b)).decide(scores)
    assert (decision.verdict == "defect") == bool(decision.defects)
    assert decision.score == max(scores)
    assert all(LABELS[at] != clean_label and scores[at] >= max(a, b) for at in decision.defects)
    if decision.verdict == "clean":
        assert all(s < min(a, b) for s, label in zip(scores, LABELS, strict=True) if label != clean_label)


@given(scores)
def test_a_higher_threshold_never_adds_a_defect(scores: tuple[float, ...]) -> None:
    if judge(sure=0.5).decide(scores).verdict != "defect":
        assert judge(sure=0.8).decide(scores).verdict != "defect"


logit_triples = st.lists(
    st.floats(-7, 7), min_size=3, max_size=3
)  # a wider range would have scores below the clamp of 1e-7


@given(logit_triples, st.floats(0.2, 5))
def test_calibrates_like_logits_divided_by_the_temperature(logits: list[float], temperature: float) -> None:
    def softmax(values: list[float]) -> list[float]:
        powers = [math.exp(value - max(values)) for value in values]
        return [power / sum(powers) for power in powers]

    told = calibrate(softmax(logits), temperature, single_label=True)
    assert told == pytest.approx(softmax([value / temperature for value in logits]), abs=1e-4)
    sigmoids = calibrate([1 / (1 + math.exp(-value)) for value in logits], temperature, single_label=False)
    assert sigmoids == pytest.approx([1 / (1 + math.exp(-value / temperature)) for value in logits], abs=1e-4)


@given(scores)
def test_a_temperature_of_one_changes_nothing(scores: tuple[float, ...]) -> None:
    assert calibrate(scores, 1.0, single_label=True) == calibrate(scores, 1.0, single_label=False) == scores


def test_thresholds_apply_to_calibrated_scores() -> None:
    said = (0.05, 0.05, 0.9)
    assert judge(sure=0.7).decide(said).verdict == "defect"
    softer = replace(judge(sure=0.7), temperature=3.0).decide(said)
    assert softer.verdict == "unsure"
    assert softer.score == softer.scores[2] == pytest.approx(0.567, abs=1e-3)


def test_settings_override_thresholds_and_events_show_it() -> None:
    found = decision_policy(tiny_contract(), {"bright": ThresholdOverride(sure=0.2)})
    assert found.thresholds == (Threshold(), Threshold(), Threshold(sure=0.2, unsure=0.2))
    assert found.overridden
    assert not decision_policy(tiny_contract(), {}).overridden


def test_rejects_an_override_for_an_unknown_label() -> None:
    with pytest.raises(SettingsError, match=r"thresholds\.pink"):
        decision_policy(tiny_contract(), {"pink": ThresholdOverride(sure=0.2)})


def test_settings_replace_the_novelty_threshold_or_switch_it_off() -> None:
    manifest = watchful_contract()
    by_bundle = decision_policy(manifest, {})
    assert (by_bundle.novelty_threshold, by_bundle.overridden) == (NOVELTY.threshold, False)
    by_settings = decision_policy(manifest, {}, NoveltySettings(threshold=0.5))
    assert (by_settings.novelty_threshold, by_settings.overridden) == (0.5, True)
    ignored = decision_policy(manifest, {}, NoveltySettings(verdict="ignore", threshold=0.5))
    assert (ignored.novelty_threshold, ignored.overridden) == (None, True)
    assert [by_settings.is_novel(score) for score in (None, 0.5, 0.51)] == [False, False, True]
    assert not ignored.is_novel(9.0)


def test_novelty_settings_have_no_effect_on_a_bundle_without_a_novelty_score() -> None:
    policy = decision_policy(tiny_contract(), {}, NoveltySettings(threshold=0.5))
    assert (policy.novelty_threshold, policy.overridden) == (None, False)
