"""Reference statistics of a bundle, against which a worker measures drift of cameras and scores."""

import math
from collections.abc import Collection
from typing import Annotated

import msgspec
from msgspec import Meta

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.images.colour import COLOUR_MIN


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Mean and standard deviation over frames."""

    mean: Annotated[float, Meta(description="Mean, in the unit of the statistic.")]
    deviation: Annotated[float, Meta(description="Standard deviation, in the unit of the statistic.")]


class ClassScores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Statistics of the frames with one best label."""

    share: Annotated[float, Meta(description="Share of all validation frames that have this best label, 0 to 1.")]
    confidence: Annotated[float, Meta(description="Mean calibrated score of the label on these frames, 0 to 1.")]
    unsure: Annotated[float, Meta(description="Share of these frames with the verdict `unsure`, 0 to 1.")]


class Reference(msgspec.Struct, frozen=True):
    """Statistics of training frames, and of the predictions for the validation frames.

    The image statistics are those of `image_statistics.FrameStatistics`. Scores are calibrated, as in events, and the
    verdict `unsure` is determined by the thresholds of the bundle.
    """

    frames: Annotated[int, Meta(description="Number of training frames whose image statistics were measured.")]
    brightness: Annotated[Spread, Meta(description="Brightness: mean grey value of a frame, 0 to 255.")]
    contrast: Annotated[Spread, Meta(description="Contrast: standard deviation of the grey values of a frame.")]
    sharpness: Annotated[
        Spread,
        Meta(
            description="Sharpness: mean absolute difference of neighbouring pixels along the row, divided by the "
            "brightness."
        ),
    ]
    answers: Annotated[int, Meta(description="Number of validation frames that were predicted.")]
    classes: Annotated[
        dict[str, ClassScores],
        Meta(description="Statistics by best label; labels that were never the best are missing."),
    ]
    colour: Annotated[
        int | None,
        Meta(
            description="Colour of the most coloured training image: the largest difference between two channels of a "
            "block of 8x8 pixels, in the unit of grey levels, 0 to 255. null if it was not measured."
        ),
    ] = None
    noise: Annotated[
        Spread | None,
        Meta(
            description="Noise: standard deviation of additive noise in grey levels, estimated by the method of "
            "Immerkær (1996). The texture of the surface counts as noise, too. Null in older bundles."
        ),
    ] = None

    @property
    def is_grey(self) -> bool:
        """Return whether the training images are known to have no colour."""
        return self.colour is not None and self.colour < COLOUR_MIN


def check_reference(reference: Reference, labels: Collection[str]) -> None:
    """Check the rules that the types cannot express. Raises BundleError."""
    for spread in (reference.brightness, reference.contrast, reference.sharpness, reference.noise):
        if spread is not None and not all(
            math.isfinite(value) and value >= 0 for value in (spread.mean, spread.deviation)
        ):
            raise BundleError("its reference has a mean or deviation that is negative or not finite")
    if reference.colour is not None and not 0 <= reference.colour <= 255:
        raise BundleError("its reference has a colour outside of 0 to 255")
    if not set(reference.classes) <= set(labels):
        raise BundleError("its reference has a class that is not among its labels")
    for scores in reference.classes.values():
        if not all(0 <= value <= 1 for value in msgspec.structs.astuple(scores)):
            raise BundleError("its reference has a share or confidence outside of 0 to 1")
    if not math.isclose(sum(scores.share for scores in reference.classes.values()), 1, abs_tol=1e-3):
        raise BundleError("the class shares of its reference do not add up to 1")


def ratios_without_effect(drift: DriftSettings, reference: Reference | None) -> list[str]:
    """Return the keys of ratios that are set, but whose statistic the reference of the bundle does not have."""
    statistics = {
        "dark_ratio": "brightness",
        "bright_ratio": "brightness",
        "low_contrast_ratio": "contrast",
        "noisy_ratio": "noise",
        "blurred_ratio": "sharpness",
    }
    return [
        f"drift.{ratio}"
        for ratio, statistic in statistics.items()
        if getattr(drift, ratio) is not None and getattr(reference, statistic, None) is None
    ]
