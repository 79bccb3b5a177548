"""Reference statistics of a bundle, against which a worker measures drift of cameras and scores."""

import math
from collections.abc import Collection

import msgspec

from stripwatch.worker.common.errors import BundleError


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation over frames."""

    mean: float
    deviation: float


class ClassScores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Statistics of the frames with one best label.

    Attributes:
        share: Share of all frames.
        confidence: Mean score of the label.
        unsure: Share of these frames that are unsure.
    """

    share: float
    confidence: float
    unsure: float


class Reference(msgspec.Struct, frozen=True):
    """Frame statistics of `frames` training frames, and the predictions for `answers` validation frames.

    classes is keyed by best label; labels that were never the best are missing. Scores are calibrated, as in events,
    and `unsure` is determined by the thresholds of the bundle.
    """

    frames: int
    brightness: Spread
    contrast: Spread
    sharpness: Spread
    answers: int
    classes: dict[str, ClassScores]


def check_reference(reference: Reference, labels: Collection[str]) -> None:
    """Check the rules that the types cannot express. Raises BundleError."""
    for spread in (reference.brightness, reference.contrast, reference.sharpness):
        if not all(math.isfinite(value) and value >= 0 for value in (spread.mean, spread.deviation)):
            raise BundleError("its reference has a mean or deviation that is negative or not finite")
    if not set(reference.classes) <= set(labels):
        raise BundleError("its reference has a class that is not among its labels")
    for scores in reference.classes.values():
        if not all(0 <= value <= 1 for value in msgspec.structs.astuple(scores)):
            raise BundleError("its reference has a share or confidence outside of 0 to 1")
    if not math.isclose(sum(scores.share for scores in reference.classes.values()), 1, abs_tol=1e-3):
        raise BundleError("the class shares of its reference do not add up to 1")
