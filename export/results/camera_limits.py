"""Camera conditions of a model: the image statistics of changed frames at which it stops being reliable.

The limit lies midway between the mean statistic at the last strength at which the model is reliable and that at the
first one at which it fails. If it withstands every strength, the limit is at the strongest one, because nothing is
known beyond. So a model that withstands more never has a narrower limit. A limit is never inside the range that
contains the middle 80 % of the training frames: a coil of rough or dark steel is not a fault of the camera.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults
from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.contracts.model.camera_limits import USUAL_SHARE, CameraLimit
from stripwatch.worker.images.image_statistics import Statistic

Measured = Mapping[Statistic, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class _Cause:
    """A condition, the statistic that shows it, on which side of the limit, and the changes that cause it."""

    condition: Condition
    statistic: Statistic
    above: bool
    changes: tuple[str, ...]


_CAUSES = (
    _Cause("dark", "brightness", False, ("darker",)),
    _Cause("bright", "brightness", True, ("brighter",)),
    _Cause("low_contrast", "contrast", False, ("less contrast",)),
    _Cause("noisy", "noise", True, ("noise",)),
    _Cause("blurred", "sharpness", False, ("out of focus", "motion blur")),
)


def derive_limits(stress: StressResults, trained: Measured) -> dict[str, CameraLimit]:
    """Return the limits of a model by condition.

    trained: each statistic of the training frames, float64 [n]. A condition is missing if no change that causes it was
    tested, or if the statistic did not react to the change.
    """
    by_name = {change.name: change for change in stress.changes}
    found: dict[str, CameraLimit] = {}
    for cause in _CAUSES:
        tested = [by_name[name] for name in cause.changes if name in by_name]
        limits = [limit for each in tested if (limit := _limit(cause, each, stress.unchanged)) is not None]
        if limits:  # the first change that the model does not withstand
            first = min(limits, key=lambda limit: limit.value if cause.above else -limit.value)
            found[cause.condition] = _beyond_usual(first, trained[cause.statistic])
    return found


def _limit(cause: _Cause, change: StressChange, unchanged: StressPoint) -> CameraLimit | None:
    """Return the limit by one change, or None if the statistic was not measured or did not react to the change."""
    points = [unchanged, *change.points]
    failing = next((at for at, each in enumerate(points) if each.strength == change.fails_at and at), None)
    around = points[-1:] if failing is None else points[failing - 1 : failing + 1]
    values = [getattr(each.statistics, cause.statistic) for each in [unchanged, *around]]
    if None in values:
        return None
    before, value = values[0], float(np.mean(values[1:]))
    if value <= before if cause.above else value >= before:
        return None
    return CameraLimit(
        cause.statistic, value, cause.above, change.name, change.unit, change.reliable_to, change.fails_at
    )


def _beyond_usual(limit: CameraLimit, trained: NDArray[np.float64]) -> CameraLimit:
    """Move a limit to the end of the range of the training frames if it is inside."""
    share = (1 + USUAL_SHARE) / 2 if limit.above else (1 - USUAL_SHARE) / 2
    end = float(np.quantile(trained, share))
    if limit.value >= end if limit.above else limit.value <= end:
        return limit
    return CameraLimit(
        limit.statistic, end, limit.above, limit.change, limit.unit, limit.reliable_to, limit.fails_at, usual=True
    )
