"""Every defect is reported regardless of its heatmap, and scores outside 0 to 1 are rejected."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.heatmaps import heatmap_decoder
from stripwatch.worker.model.inspection import DetectedDefect, interpret, valid_novelty, valid_scores
from stripwatch.worker.model.verdict import decision_policy
from tests.tiny import mapped_contract, watchful_contract

MANIFEST = mapped_contract()
DARK = (0.9, 0.1, 0.0)


def maps(value: float, everywhere: bool = True) -> NDArray[np.float32]:
    """Return heatmaps of three labels on 2 x 3 cells; `value` is used for the label of the defect."""
    found = np.full((2, 3, 3), 0.1, np.float32)
    found[0, 1, 0] = 0.9
    with np.errstate(over="ignore"):
        found[..., 0] = np.float32(value) if everywhere else found[..., 0]
        found[1, 2, 0] = np.float32(value)
    return found


@pytest.mark.parametrize("kind", ["place", "activation"])
@pytest.mark.parametrize("everywhere", [True, False])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_heatmap_that_is_not_finite_gives_a_defect_without_a_box(kind: str, value: float, everywhere: bool) -> None:
    manifest = mapped_contract(heatmaps=kind)
    policy, decoder = decision_policy(manifest, {}), heatmap_decoder(manifest)
    seen = interpret(policy, decoder, DARK, maps(value, everywhere), 48, 32)
    assert seen.verdict == "defect"
    assert seen.defects == (DetectedDefect("dark", 0.9, None),)


@pytest.mark.parametrize("value", [-1.0, -3e38, 0.0, 3e38, 1e-30])
@pytest.mark.parametrize("kind", ["place", "activation"])
def test_a_defect_always_has_an_entry(kind: str, value: float) -> None:
    manifest = mapped_contract(heatmaps=kind)
    policy, decoder = decision_policy(manifest, {}), heatmap_decoder(manifest)
    assert len(interpret(policy, decoder, DARK, maps(value), 48, 32).defects) == 1
    assert interpret(policy, decoder, DARK, maps(value, everywhere=False), 48, 32).defects


def test_ignores_the_heatmap_of_another_label() -> None:
    heatmaps = maps(0.9)
    heatmaps[..., 2] = np.nan
    (defect,) = interpret(decision_policy(MANIFEST, {}), heatmap_decoder(MANIFEST), DARK, heatmaps, 48, 32).defects
    assert defect.box_px is not None


def test_clips_rounding_errors_and_rejects_other_scores() -> None:
    assert valid_scores(np.array([1.001, -0.001, 0.5], np.float32)) == (1.0, 0.0, 0.5)
    for wrong in (1.5, -0.2, np.nan, np.inf, -np.inf):
        with pytest.raises(FrameRejected) as caught:
            valid_scores(np.array([0.5, wrong], np.float32))
        assert caught.value.reason is RejectReason.INFERENCE_FAILED


def test_a_frame_with_flags_is_unsure_and_keeps_its_scores() -> None:
    policy = decision_policy(MANIFEST, {})
    plain = interpret(policy, None, DARK, None, 48, 32)
    flagged = interpret(policy, None, DARK, None, 48, 32, (FrameFlag.SIZE,))
    assert plain.verdict == "defect"
    assert (flagged.verdict, flagged.defects, flagged.flags) == ("unsure", (), (FrameFlag.SIZE,))
    assert (flagged.label, flagged.score, flagged.scores) == (plain.label, plain.score, plain.scores)


def test_a_novel_frame_is_unsure_without_defects_even_if_a_class_is_certain() -> None:
    policy = decision_policy(watchful_contract(), {})
    known = interpret(policy, None, DARK, None, 48, 32, novelty=0.29)
    novel = interpret(policy, None, DARK, None, 48, 32, novelty=0.31)
    assert (known.verdict, known.reason, known.novelty) == ("defect", None, 0.29)
    assert (novel.verdict, novel.reason, novel.novelty, novel.defects) == ("unsure", "novel", 0.31, ())
    assert (novel.label, novel.score, novel.scores) == (known.label, known.score, known.scores)


@pytest.mark.parametrize(
    ("scores", "flags", "novelty", "reason"),
    [
        (DARK, (), 0.1, None),
        ((0.4, 0.3, 0.3), (), 0.1, "score"),
        ((0.4, 0.3, 0.3), (), 0.9, "novel"),
        (DARK, (FrameFlag.SIZE,), 0.9, "flag"),
        ((0.4, 0.3, 0.3), (FrameFlag.SIZE,), None, "flag"),
        ((0.4, 0.3, 0.3), (), None, "score"),
    ],
)
def test_states_the_first_reason_of_an_unsure_verdict(
    scores: tuple[float, ...], flags: tuple[FrameFlag, ...], novelty: float | None, reason: str | None
) -> None:
    seen = interpret(decision_policy(watchful_contract(), {}), None, scores, None, 48, 32, flags, novelty)
    assert seen.reason == reason
    assert (seen.verdict == "unsure") == (reason is not None)


def test_compares_the_published_novelty_score_with_the_threshold() -> None:
    """0.30000004 is above the threshold of 0.3, but is published as 0.3."""
    seen = interpret(decision_policy(watchful_contract(), {}), None, DARK, None, 48, 32, novelty=0.30000004)
    assert (seen.novelty, seen.reason) == (0.3, None)


def test_rejects_a_novelty_score_that_is_not_finite() -> None:
    assert valid_novelty(None, 0) is None
    assert valid_novelty(np.array([0.25, np.nan], np.float32), 0) == 0.25
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(FrameRejected, match="the novelty score is not a finite number") as caught:
            valid_novelty(np.array([0.25, wrong], np.float32), 1)
        assert caught.value.reason is RejectReason.INFERENCE_FAILED


def test_an_unsure_frame_has_the_boxes_of_the_suspected_labels_but_no_defects() -> None:
    heatmaps = maps(0.9)
    policy = replace(decision_policy(MANIFEST, {}), thresholds=(Threshold(0.9, 0.3),) * 3)
    seen = interpret(policy, heatmap_decoder(MANIFEST), (0.45, 0.35, 0.2), heatmaps, 48, 32)
    assert (seen.verdict, seen.reason, seen.defects) == ("unsure", "score", ())
    labels = [policy.labels[at] for at in (0, 1) if policy.labels[at] != policy.clean_label]
    assert list(dict.fromkeys(each.label for each in seen.candidates)) == labels, "best first, none below `unsure`"
    assert all(each.box_px is not None for each in seen.candidates)
    sure = interpret(policy, heatmap_decoder(MANIFEST), (0.95, 0.03, 0.02), heatmaps, 48, 32)
    assert (sure.verdict, sure.candidates) == ("defect", ())
    assert interpret(policy, None, (0.45, 0.35, 0.2), None, 48, 32).candidates == ()


def test_a_frame_with_flags_keeps_its_boxes_for_the_person_who_reviews_it() -> None:
    seen = interpret(
        decision_policy(MANIFEST, {}), heatmap_decoder(MANIFEST), DARK, maps(0.9), 48, 32, (FrameFlag.SIZE,)
    )
    assert (seen.verdict, seen.defects) == ("unsure", ())
    assert {each.label for each in seen.candidates} == {seen.label}
