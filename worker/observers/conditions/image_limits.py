"""Limits of the image statistics of a camera, and where they come from.

A ratio in the settings applies first, then the limit where the model of the bundle begins to fail, then a default
ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.images.image_statistics import STATISTICS, Statistic
from stripwatch.worker.model.reference import Reference

DARK_RATIO = BRIGHT_RATIO = 0.3
BLURRED_RATIO = 0.5
_WHITE = 255.0

Means = Mapping[Statistic, float]


@dataclass(frozen=True, slots=True)
class ImageLimit:
    """Limit of the mean of a statistic. above: the condition holds above it. reason: where it comes from."""

    statistic: Statistic
    value: float
    above: bool
    reason: str

    def is_exceeded(self, statistics: Means, factor: float = 1.0) -> bool:
        """Return whether the mean is beyond the limit. factor: multiple of the limit."""
        mean = statistics.get(self.statistic)
        if mean is None:
            return False
        return mean > factor * self.value if self.above else mean < factor * self.value

    def describe(self, statistics: Means) -> str:
        """Return the mean, the limit and its origin as one line."""
        mean = statistics.get(self.statistic, 0.0)
        return f"{self.statistic} {mean:.3g}, limit {self.side} {self.value:.3g}: {self.reason}"

    @property
    def side(self) -> str:
        """Return on which side of the limit the condition holds."""
        return "above" if self.above else "below"


Limits = Mapping[Condition, ImageLimit]


def image_limits(
    settings: DriftSettings, reference: Reference | None, of_model: Mapping[str, CameraLimit] | None
) -> Limits:
    """Return the limits by condition. A condition without a limit cannot be checked.

    of_model: limits of the bundle; None if it has none.
    """
    found: dict[Condition, ImageLimit | None] = {
        "dark": _dark(settings, reference, settings.dark_ratio),
        "bright": _bright(settings, reference, settings.bright_ratio),
        "low_contrast": _ratio("low_contrast_ratio", settings.low_contrast_ratio, reference, "contrast"),
        "noisy": _ratio("noisy_ratio", settings.noisy_ratio, reference, "noise", above=True),
        "blurred": _ratio("blurred_ratio", settings.blurred_ratio, reference, "sharpness"),
    }
    usual: dict[Condition, ImageLimit | None] = {
        "dark": _dark(settings, reference, DARK_RATIO),
        "bright": _bright(settings, reference, BRIGHT_RATIO),
        "blurred": _ratio("blurred_ratio", BLURRED_RATIO, reference, "sharpness"),
    }
    limits: dict[Condition, ImageLimit] = {}
    for condition, given in found.items():
        limit = given or _of_model(settings, of_model, condition) or usual.get(condition)
        if limit is not None:
            limits[condition] = limit
    return limits


def _of_model(
    settings: DriftSettings, limits: Mapping[str, CameraLimit] | None, condition: Condition
) -> ImageLimit | None:
    limit = (limits or {}).get(condition)
    if limit is None or not settings.model_limits:
        return None
    statistic = next((each for each in STATISTICS if each == limit.statistic), None)
    return ImageLimit(statistic, limit.value, limit.above, limit.reason) if statistic else None


def _dark(settings: DriftSettings, reference: Reference | None, ratio: float | None) -> ImageLimit | None:
    if reference is None:
        return ImageLimit("brightness", settings.dark_brightness, False, "drift.dark_brightness")
    return _ratio("dark_ratio", ratio, reference, "brightness")


def _bright(settings: DriftSettings, reference: Reference | None, ratio: float | None) -> ImageLimit | None:
    """Return the limit of overexposed images: that of dark images, mirrored at white."""
    if reference is None:
        return ImageLimit("brightness", settings.bright_brightness, True, "drift.bright_brightness")
    if ratio is None:
        return None
    limit = _WHITE - ratio * (_WHITE - reference.brightness.mean)
    return ImageLimit("brightness", limit, True, f"drift.bright_ratio {ratio:g} of the distance from white")


def _ratio(
    setting: str, ratio: float | None, reference: Reference | None, statistic: Statistic, above: bool = False
) -> ImageLimit | None:
    usual = getattr(reference, statistic, None)
    if ratio is None or usual is None:
        return None
    return ImageLimit(statistic, ratio * usual.mean, above, f"drift.{setting} {ratio:g} of the training frames")
