"""Drift of labels, confidence and unsure frames, compared with the predictions in the bundle's reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stripwatch.worker.model.reference import Reference

ScoreStatistic = Literal["confidence", "unsure"]
ScoreDrift = Literal["confidence", "unsure", "classes"]
# share, confidence, unsure or novel of one label, summed over all frames
LabelStat = tuple[Literal["share", "confidence", "unsure", "novel"], str]


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """Label, confidence and verdict of the model for one frame, as in its event.

    novel: whether the frame is unsure because it is novel, so that its label and confidence mean little.
    """

    label: str
    confidence: float
    unsure: bool
    novel: bool = False


def label_stats(answer: ScoredAnswer) -> dict[LabelStat, float]:
    """Return what one frame adds to the sums. A novel frame adds neither to the label shares nor to the confidence."""
    label = answer.label
    if answer.novel:
        return {("novel", label): 1.0, ("unsure", label): 1.0}
    return {("share", label): 1.0, ("confidence", label): answer.confidence, ("unsure", label): float(answer.unsure)}


def scores(parts: Mapping[LabelStat, float]) -> dict[ScoreStatistic, float]:
    """Return the mean confidence of frames that are not novel, if there are any, and the unsure share of all frames."""
    if not parts:
        return {}
    found: dict[ScoreStatistic, float] = {"unsure": sum(_by_label(parts, "unsure").values())}
    if known := sum(_by_label(parts, "share").values()):
        found["confidence"] = sum(_by_label(parts, "confidence").values()) / known
    return found


def score_drift(
    parts: Mapping[LabelStat, float], reference: Reference, unsure_counts: bool = True
) -> dict[ScoreDrift, float]:
    """Return the score drift as defined in CameraReport."""
    if not parts:
        return {}
    shares, usual = _by_label(parts, "share"), reference.classes
    usual_shares = {label: usual[label].share for label in usual}
    drift: dict[ScoreDrift, float] = {}
    if total := sum(shares.values()):  # otherwise all frames are novel
        apart = sum(abs(shares.get(at, 0.0) / total - usual_shares.get(at, 0.0)) for at in shares | usual_shares)
        drift["classes"] = apart / 2
    known = {label: share for label, share in shares.items() if label in usual}
    if frames := sum(known.values()):  # otherwise the model gives only labels that the reference does not contain
        confidence = _by_label(parts, "confidence")
        drift["confidence"] = sum(confidence[at] - known[at] * usual[at].confidence for at in known) / frames
    if unsure_counts:
        drift |= _unsure_drift(parts, reference)
    return drift


def _unsure_drift(parts: Mapping[LabelStat, float], reference: Reference) -> dict[ScoreDrift, float]:
    """Return the difference of the unsure share, of frames with labels that the reference contains.

    The reference counts novel frames under the label that the model gave them, and so does this.
    """
    shares, novel, unsure = (_by_label(parts, what) for what in ("share", "novel", "unsure"))
    usual = reference.classes
    frames = {at: shares.get(at, 0.0) + novel.get(at, 0.0) for at in shares | novel if at in usual}
    total = sum(frames.values())
    return {"unsure": sum(unsure[at] - frames[at] * usual[at].unsure for at in frames) / total} if total else {}


def _by_label(parts: Mapping[LabelStat, float], what: str) -> dict[str, float]:
    return {label: part for (kind, label), part in parts.items() if kind == what}
