"""What a model reports of one frame: from raw scores and heatmaps to a verdict and boxes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import Box, FrameFlag, Verdict
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.model.verdict import DecisionPolicy

_ROUNDING_MAX = 0.01  # a softmax in fp16 or int8 may pass 1 a little


@dataclass(frozen=True, slots=True)
class DetectedDefect:
    """One defect on a frame.

    Attributes:
        label: The class of the defect.
        score: Its calibrated score, 0 to 1, rounded to six places.
        box_px: Where it is, in pixels of the source image from its upper left corner; None where that is not known: the
            bundle has no heatmaps, or the heatmap of this frame locates nothing (its values are not finite).
    """

    label: str
    score: float
    box_px: Box | None


@dataclass(frozen=True, slots=True)
class Inspection:
    """The result of inspecting one frame.

    Attributes:
        verdict: "clean", "unsure" or "defect", by the thresholds of the bundle; "unsure" for a frame with flags.
        label: The label with the highest score, which may be the one that means "no defect".
        score: The score of `label`, 0 to 1, calibrated and rounded to six places.
        scores: The score of every label, in the order of the bundle's labels.
        defects: One entry for each box of each defect label that reaches its threshold, best label first; one without
            a box where its place is not known. Empty unless the verdict is "defect", and never empty then.
        width_px: Width of the source image, in pixels.
        height_px: Height of the source image, in pixels.
        flags: Why the verdict is "unsure" whatever the scores are; empty for an ordinary frame.
    """

    verdict: Verdict
    label: str
    score: float
    scores: dict[str, float]
    defects: tuple[DetectedDefect, ...]
    width_px: int
    height_px: int
    flags: tuple[FrameFlag, ...] = ()


def interpret(
    policy: DecisionPolicy,
    decoder: HeatmapDecoder | None,
    raw_scores: Sequence[float],
    heatmaps: NDArray[np.float32] | None,
    width_px: int,
    height_px: int,
    flags: tuple[FrameFlag, ...] = (),
) -> Inspection:
    """Turn the output of a model for one frame into what is reported of it.

    raw_scores: in the order of the labels. heatmaps: [h, w, labels]. decoder and heatmaps: None where the model has
    none. width_px, height_px, flags: of the decoded image. A frame with flags is unsure and has no defects, because
    the model does not know such frames; its label and scores are kept for whoever looks at it.
    """
    decision = policy.decide(raw_scores)
    boxes = partial(_boxes, decoder, heatmaps, width_px, height_px)
    return Inspection(
        verdict="unsure" if flags else decision.verdict,
        label=decision.label,
        score=_rounded(decision.score),
        scores={label: _rounded(score) for label, score in zip(policy.labels, decision.scores, strict=True)},
        defects=tuple(
            DetectedDefect(policy.labels[at], _rounded(decision.scores[at]), box)
            for at in (() if flags else decision.defects)
            for box in boxes(at)
        ),
        width_px=width_px,
        height_px=height_px,
        flags=flags,
    )


def _boxes(
    decoder: HeatmapDecoder | None, heatmaps: NDArray[np.float32] | None, width_px: int, height_px: int, at: int
) -> Sequence[Box | None]:
    """Of the label at that position; one defect without a box where its place is not known."""
    if decoder is None or heatmaps is None:
        return (None,)
    return decoder.boxes(np.ascontiguousarray(heatmaps[..., at]), width_px, height_px) or (None,)


def valid_scores(scores: NDArray[np.float32]) -> tuple[float, ...]:
    """The scores of one frame, from 0 to 1; what rounding put beyond either end is brought back.

    Raises FrameRejected where one is not a finite number, or further outside.
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


def _rounded(score: float) -> float:
    """Six places: finer than any two runs of a model agree, and a third of the bytes."""
    return round(score, 6)
