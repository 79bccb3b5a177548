"""What a bundle knows of ordinary frames, so that a worker can tell when its cameras or scores move away from it."""

import math
from collections.abc import Collection

import msgspec

from stripwatch.worker.common.errors import BundleError


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation over frames."""

    mean: float
    deviation: float


class ClassScores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The frames whose best label this is. share: of all frames. confidence: mean score. unsure: share of them."""

    share: float
    confidence: float
    unsure: float


class Reference(msgspec.Struct, frozen=True):
    """Frame statistics of `frames` training frames, and the model's answers on `answers` validation frames.

    classes: by best label; a label that was best on no frame is not there. Scores are calibrated, as in events, and
    unsure is by the bundle's own thresholds.
    """

    frames: int
    brightness: Spread
    contrast: Spread
    sharpness: Spread
    answers: int
    classes: dict[str, ClassScores]


def check_reference(reference: Reference, labels: Collection[str]) -> None:
    """Raises BundleError for what the types alone cannot say."""
    for spread in (reference.brightness, reference.contrast, reference.sharpness):
        if not all(math.isfinite(value) and value >= 0 for value in (spread.mean, spread.deviation)):
            raise BundleError("its reference has a mean or a deviation that is below 0 or no number")
    if not set(reference.classes) <= set(labels):
        raise BundleError("its reference has a class that is not among its labels")
    for scores in reference.classes.values():
        if not all(0 <= value <= 1 for value in msgspec.structs.astuple(scores)):
            raise BundleError("its reference has a share or a confidence outside of 0 to 1")
    if not math.isclose(sum(scores.share for scores in reference.classes.values()), 1, abs_tol=1e-3):
        raise BundleError("the class shares of its reference do not sum up to 1")
