"""Conditions of a camera by its mean image statistics: which change of the images explains them best."""

from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.images.image_statistics import Statistic
from stripwatch.worker.model.reference import Reference
from stripwatch.worker.observers.conditions.image_limits import Limits, Means

# Blur lowers the sharpness far more than the contrast; less contrast lowers both alike.
_BLUR_RATIO_MAX = 0.8


def image_conditions(statistics: Means, limits: Limits, reference: Reference | None) -> dict[Condition, bool]:
    """Return which conditions hold. Those without a limit are missing.

    A change of the light moves all statistics, so a dark or overexposed camera is neither blurred nor of low contrast.
    Less light lowers the contrast, and more light amplifies the texture of the strip, which is not noise.
    """
    beyond = {name: limit.is_exceeded(statistics) for name, limit in limits.items()}
    unlit = beyond.get("dark", False) or beyond.get("bright", False)
    light = _relative(statistics, reference, "brightness")
    if "low_contrast" in beyond:
        beyond["low_contrast"] = limits["low_contrast"].is_exceeded(statistics, min(1.0, light)) and not unlit
    if "noisy" in beyond:
        factor = max(1.0, light)
        beyond["noisy"] = limits["noisy"].is_exceeded(statistics, factor) and not beyond.get("bright", False)
    if "blurred" in beyond:
        hazy = "low_contrast" in limits and not _is_blur(statistics, reference)
        beyond["blurred"] &= not unlit and not hazy
    return beyond


def _is_blur(statistics: Means, reference: Reference | None) -> bool:
    """Return whether the sharpness fell by more than the contrast, both relative to the brightness."""
    brightness = _relative(statistics, reference, "brightness")
    contrast = _relative(statistics, reference, "contrast") / max(brightness, 1e-3)
    return _relative(statistics, reference, "sharpness") < _BLUR_RATIO_MAX * contrast


def _relative(statistics: Means, reference: Reference | None, name: Statistic) -> float:
    """Return the mean of a statistic as a multiple of its reference, or 1 if either is unknown."""
    usual, mean = getattr(reference, name, None), statistics.get(name)
    return mean / usual.mean if usual is not None and usual.mean > 0 and mean is not None else 1.0
