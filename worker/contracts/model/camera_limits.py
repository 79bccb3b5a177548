"""Limits of image statistics beyond which a model is not reliable, as its bundle states them.

The description of a field is part of the reference.
"""

import math
from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from stripwatch.worker.common.errors import BundleError

USUAL_SHARE = 0.8  # of the training frames: a limit is never inside the range that contains that many of them


class CameraLimit(msgspec.Struct, frozen=True):
    """Limit of an image statistic beyond which a camera has a condition, and the stress test that it comes from."""

    statistic: Annotated[str, Meta(description="Image statistic, such as `noise`.")]
    value: Annotated[float, Meta(description="Limit of the mean over the frames, in the unit of the statistic.")]
    above: Annotated[bool, Meta(description="True if the condition holds above the limit, false if below.")]
    change: Annotated[str, Meta(description="Change of the frames that was tested, as in `withstands`.")]
    unit: Annotated[str, Meta(description="What the strength of the change states.")]
    reliable_to: Annotated[
        float | None,
        Meta(
            description="Last strength before the model stops being reliable, in the unit of the strength; null if it "
            "fails at the mildest one."
        ),
    ]
    fails_at: Annotated[
        float | None,
        Meta(
            description="First strength at which the model is not reliable, in the unit of the strength; null if it "
            "withstands all of them. The limit is then that of the strongest one."
        ),
    ]
    usual: Annotated[
        bool,
        Meta(
            description="True if the value where the model fails is one that many unchanged training frames have, too. "
            "The limit is then where the middle 80 % of them end."
        ),
    ] = False

    @property
    def reason(self) -> str:
        """Return where the limit comes from, as a clause."""
        unit = f" ({self.unit})" if self.unit else ""
        if self.fails_at is None:
            text = f"this model was tested to {self.change} {self.reliable_to:g}{unit} and is reliable there"
        else:
            text = f"this model fails from {self.change} {self.fails_at:g}{unit}"
        return f"{text}; the limit is where the middle 80 % of the training frames end" if self.usual else text


def check_camera_limits(limits: Mapping[str, CameraLimit]) -> None:
    """Check the rules that the types cannot express. Raises BundleError."""
    for condition, limit in limits.items():
        if not math.isfinite(limit.value) or limit.value < 0:
            raise BundleError(f"its limit of {limit.statistic} for {condition!r} is negative or not finite")
        if limit.fails_at is None and limit.reliable_to is None:
            raise BundleError(f"its limit for {condition!r} states neither `reliable_to` nor `fails_at`")
