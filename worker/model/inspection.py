"""Interpret the output of a model for one frame: raw scores and heatmaps become a verdict and boxes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import Box, FrameFlag, UnsureReason, Verdict
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.model.verdict import Decision, DecisionPolicy

CANDIDATES_MAX = 16
_ROUNDING_MAX = 0.01  # a softmax in fp16 or int8 may pass 1 a little


@dataclass(frozen=True, slots=True)
class DetectedDefect:
    """One defect on a frame.

    Attributes:
        label: The class of the defect.
        score: Its calibrated score, 0 to 1, rounded to six places.
        box_px: Location in pixels of the source image, from its upper left corner. None if the location is unknown: the
            bundle has no heatmaps, or the heatmap of this frame has no finite, non-negative values.
    """

    label: str
    score: float
    box_px: Box | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of inspecting one frame.

    Attributes:
        verdict: "clean", "unsure" or "defect" according to the thresholds; "unsure" for a frame with flags and for a
            novel one.
        label: The label with the highest score, which may be the one that means "no defect".
        score: The score of `label`, 0 to 1, calibrated and rounded to six places.
        scores: The score of every label, in the order of the bundle's labels.
        defects: One entry for each box of each defect label that reaches its threshold, best label first; a label whose
            location is unknown has one entry without a box. Not empty if and only if the verdict is "defect".
        width_px: Width of the source image, in pixels.
        height_px: Height of the source image, in pixels.
        flags: Reasons why the verdict is "unsure" regardless of the scores; empty for an ordinary frame.
        reason: Why the verdict is "unsure": "flag" for a frame with flags, "novel" if the novelty score is above its
            threshold, or "score" if the scores are too low. None for any other verdict.
        novelty: Novelty score, rounded to six significant digits; the higher, the less the frame resembles the training
            frames. None if the bundle has no novelty score.
        candidates: For the verdict "unsure": the boxes of `label`, and of each defect label that reaches its `unsure`
            threshold, best label first, at most 16. They show a person where to look. Empty for any other verdict, and
            if the bundle has no heatmaps.
    """

    verdict: Verdict
    label: str
    score: float
    scores: dict[str, float]
    defects: tuple[DetectedDefect, ...]
    width_px: int
    height_px: int
    flags: tuple[FrameFlag, ...] = ()
    reason: UnsureReason | None = None
    novelty: float | None = None
    candidates: tuple[DetectedDefect, ...] = ()


def interpret(
    policy: DecisionPolicy,
    decoder: HeatmapDecoder | None,
    raw_scores: Sequence[float],
    heatmaps: NDArray[np.float32] | None,
    width_px: int,
    height_px: int,
    flags: tuple[FrameFlag, ...] = (),
    novelty: float | None = None,
    cell_boxes: NDArray[np.float32] | None = None,
) -> Inspection:
    """Turn the output of a model for one frame into an inspection.

    A frame with flags and a novel frame are unsure and have no defects, because the model was not trained on such
    frames. Their labels, scores and boxes are kept for the person who reviews them. The novelty score is rounded before
    it is compared with the threshold, so that readers of events come to the same result.

    Args:
        policy: Thresholds and calibration.
        decoder: Heatmap decoder; None if the model has no heatmaps.
        raw_scores: Scores in the order of the labels.
        heatmaps: Array of shape [h, w, labels]; None if the model has no heatmaps.
        width_px: Width of the source image.
        height_px: Height of the source image.
        flags: Flags of the decoded image.
        novelty: Novelty score; None if the model has none.
        cell_boxes: Predicted boxes, array of shape [h, w, labels, 5]; None if the model predicts none.
    """
    decision = policy.decide(raw_scores)
    novelty = None if novelty is None else float(f"{novelty:.6g}")
    reason = _unsure_reason(policy, decision, flags, novelty)
    boxes = partial(_boxes, decoder, heatmaps, cell_boxes, width_px, height_px)

    def located(labels: Sequence[int]) -> Iterator[DetectedDefect]:
        return (
            DetectedDefect(policy.labels[at], _rounded(decision.scores[at]), box) for at in labels for box in boxes(at)
        )

    candidates = (each for each in located(policy.suspected(decision) if reason else ()) if each.box_px is not None)
    return Inspection(
        verdict="unsure" if reason else decision.verdict,
        label=decision.label,
        score=_rounded(decision.score),
        scores={label: _rounded(score) for label, score in zip(policy.labels, decision.scores, strict=True)},
        defects=tuple(located(() if reason else decision.defects)),
        width_px=width_px,
        height_px=height_px,
        flags=flags,
        reason=reason,
        novelty=novelty,
        candidates=tuple(islice(candidates, CANDIDATES_MAX)),
    )


def _unsure_reason(
    policy: DecisionPolicy, decision: Decision, flags: tuple[FrameFlag, ...], novelty: float | None
) -> UnsureReason | None:
    """Return the first reason that applies; None if the verdict is certain."""
    if flags:
        return UnsureReason.FLAG
    if policy.is_novel(novelty):
        return UnsureReason.NOVEL
    return UnsureReason.SCORE if decision.verdict == "unsure" else None


def _boxes(
    decoder: HeatmapDecoder | None,
    heatmaps: NDArray[np.float32] | None,
    cell_boxes: NDArray[np.float32] | None,
    width_px: int,
    height_px: int,
    at: int,
) -> Sequence[Box | None]:
    """Return the boxes of the label at this index; one None if the location is unknown."""
    if decoder is None or heatmaps is None:
        return (None,)
    predicted = None if cell_boxes is None else cell_boxes[:, :, at]
    return decoder.locate(np.ascontiguousarray(heatmaps[..., at]), predicted, width_px, height_px) or (None,)


def valid_scores(scores: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the scores of one frame, with small rounding errors clipped to 0..1.

    Raises FrameRejected if a score is not finite or is further outside of 0..1.
    """
    values: list[float] = scores.tolist()
    if all(0 <= value <= 1 for value in values):
        return tuple(values)
    if not all(map(math.isfinite, values)):
        raise FrameRejected(RejectReason.INFERENCE_FAILED, "a score is not a finite number")
    if not all(-_ROUNDING_MAX <= value <= 1 + _ROUNDING_MAX for value in values):
        raise FrameRejected(
            RejectReason.INFERENCE_FAILED, f"a score is not between 0 and 1: {max(values, key=abs):.6g}"
        )
    return tuple(min(1.0, max(0.0, value)) for value in values)


def valid_novelty(novelty: NDArray[np.float32] | None, at: int) -> float | None:
    """Return the novelty score of the frame at this index; None if the model has none.

    novelty: float32 [n]. Raises FrameRejected if the score is not finite: it could not be compared with a threshold.
    """
    if novelty is None:
        return None
    value = float(novelty[at])
    if not math.isfinite(value):
        raise FrameRejected(RejectReason.INFERENCE_FAILED, "the novelty score is not a finite number")
    return value


def _rounded(score: float) -> float:
    """Round to six places, which is finer than two runs of a model agree and saves two thirds of the bytes."""
    return round(score, 6)
