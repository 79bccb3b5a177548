"""Sizes and scale of the frames that a model was trained on, and the check whether a frame matches them.

A frame is resized to the model input. Its size therefore determines how large a defect appears to the model, and its
aspect ratio how much a defect is stretched. A network that was not trained on other sizes tolerates little difference.
The accepted differences are those that augmentation usually covers: a factor of 1.25 in size (the standard scale jitter
of 0.8 to 1.25, Ghiasi et al. 2021) and of 4/3 in aspect ratio (random crops of 3/4 to 4/3, Szegedy et al. 2015).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

from stripwatch.worker.common.errors import BundleError, FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.headers.reader import read_header

SIZE_FACTOR, ASPECT_FACTOR = 1.25, 4 / 3
_ROUNDING = 1e-6
_SIZES_NAMED_MAX = 5

Untrained = Literal["flag", "reject", "accept"]


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Smallest and largest value among the training frames."""

    smallest: Annotated[float, Meta(description="Smallest value, in the unit of the range.")]
    largest: Annotated[float, Meta(description="Largest value, in the unit of the range.")]

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(min(values), max(values))

    def admits(self, value: float, factor: float) -> bool:
        """Return whether the value is within the range, extended by this factor at both ends."""
        return self.smallest / factor - _ROUNDING <= value <= self.largest * factor + _ROUNDING

    def __str__(self) -> str:
        if self.smallest == self.largest:
            return f"{self.smallest:.4g}"
        return f"{self.smallest:.4g} to {self.largest:.4g}"


class TrainedFrames(msgspec.Struct, frozen=True):
    """Ranges of the training frames of a model."""

    frames: Annotated[int, Meta(description="Number of training frames.")]
    width_px: Annotated[Range, Meta(description="Range of the widths, in pixels.")]
    height_px: Annotated[Range, Meta(description="Range of the heights, in pixels.")]
    aspect_ratio: Annotated[Range, Meta(description="Range of the width divided by the height.")]
    mm_per_px: Annotated[
        Range | None,
        Meta(
            description="Range of the scale along the strip, in millimetres per pixel; null if training did not state "
            "it."
        ),
    ] = None

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], mm_per_px: Sequence[float] = ()) -> Self:
        """Collect the ranges of at least one frame. sizes: width and height of each frame."""
        widths, heights = zip(*sizes, strict=True)
        return cls(
            frames=len(sizes),
            width_px=Range.of(widths),
            height_px=Range.of(heights),
            aspect_ratio=Range.of([width / height for width, height in sizes]),
            mm_per_px=Range.of(mm_per_px) if mm_per_px else None,
        )

    def admits_size(self, width_px: int, height_px: int) -> bool:
        return (
            self.width_px.admits(width_px, SIZE_FACTOR)
            and self.height_px.admits(height_px, SIZE_FACTOR)
            and self.aspect_ratio.admits(width_px / height_px, ASPECT_FACTOR)
        )

    def admits_scale(self, mm_per_px: float | None) -> bool:
        """Return whether the scale is accepted; true if either scale is unknown."""
        return mm_per_px is None or self.mm_per_px is None or self.mm_per_px.admits(mm_per_px, SIZE_FACTOR)

    def flags(self, width_px: int, height_px: int, mm_per_px: float | None = None) -> tuple[FrameFlag, ...]:
        """Return flags for the differences between a frame and the training frames; empty if there are none."""
        size = () if self.admits_size(width_px, height_px) else (FrameFlag.SIZE,)
        return size if self.admits_scale(mm_per_px) else (*size, FrameFlag.SCALE)

    def __str__(self) -> str:
        """Format as "200 x 200 px" or "800 to 1600 x 256 px, aspect ratio 3.125 to 6.25, 0.5 mm per px"."""
        size = f"{self.width_px} x {self.height_px} px"
        aspect = (
            "" if self.aspect_ratio.smallest == self.aspect_ratio.largest else f", aspect ratio {self.aspect_ratio}"
        )
        return f"{size}{aspect}" + (f", {self.mm_per_px} mm per px" if self.mm_per_px else "")


@dataclass(frozen=True, slots=True)
class SizeCheck:
    """Compares frames with the training frames of a model.

    Attributes:
        trained: Ranges of the training frames; None if the bundle does not state them, which accepts every frame.
        untrained: Treatment of other frames.
        scales_mm_per_px: Scale by camera, if known.
    """

    trained: TrainedFrames | None = None
    untrained: Untrained = "flag"
    scales_mm_per_px: Mapping[str, float] = field(default_factory=dict)

    def apply(self, image: Image, camera: str | None = None) -> Image:
        """Return the image, with flags if it differs from the training frames and the settings do not accept that.

        Raises FrameRejected if the settings reject such frames.
        """
        flags = self.flags(image.width_px, image.height_px, camera)
        if not flags:
            return image
        if self.untrained == "reject":
            raise FrameRejected(RejectReason.UNTRAINED_SIZE, self.describe(image.width_px, image.height_px, camera))
        return replace(image, flags=(*image.flags, *flags))

    def flags(self, width_px: int, height_px: int, camera: str | None = None) -> tuple[FrameFlag, ...]:
        """Return the flags for a frame of this size; empty if the settings accept all frames."""
        if self.trained is None or not self.active:
            return ()
        return self.trained.flags(width_px, height_px, self._scale(camera))

    @property
    def active(self) -> bool:
        """Whether any frame can be flagged or rejected."""
        return self.trained is not None and self.untrained != "accept"

    def describe(self, width_px: int, height_px: int, camera: str | None = None) -> str:
        """Describe the size of a frame and the sizes of the training frames."""
        scale = self._scale(camera)
        mm = f" at {scale:g} mm per px" if scale is not None else ""
        return f"{width_px} x {height_px} px{mm}; the model was trained on {self.trained}"

    def _scale(self, camera: str | None) -> float | None:
        return self.scales_mm_per_px.get(camera) if camera is not None else None


def size_warning(check: SizeCheck, files: Iterable[bytes]) -> str | None:
    """Return a warning about image files whose size differs from the training frames; None if there are none.

    Only headers are read. Files with an unreadable header are ignored.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    for encoded in files:
        with suppress(FrameRejected):
            header = read_header(encoded)
            sizes[header.width_px, header.height_px] += 1
    different = [(size, count) for size, count in sizes.most_common() if check.flags(*size)]
    if not different:
        return None
    named = ", ".join(f"{count} of {width} x {height} px" for (width, height), count in different[:_SIZES_NAMED_MAX])
    more = f" and {len(different) - _SIZES_NAMED_MAX} more sizes" if len(different) > _SIZES_NAMED_MAX else ""
    result = "their verdict is unsure" if check.untrained == "flag" else "they are rejected"
    return (
        f"warning: {sum(count for _, count in different)} of {sizes.total()} frames differ in size from the training "
        f"frames ({check.trained}): {named}{more}; {result} (setting frames.untrained_size)"
    )


def check_trained(trained: TrainedFrames) -> None:
    """Check the rules that the types cannot express. Raises BundleError."""
    ranges = [trained.width_px, trained.height_px, trained.aspect_ratio, trained.mm_per_px]
    for each in ranges:
        if each is not None and not 0 < each.smallest <= each.largest < math.inf:
            raise BundleError(f"its training frames have an invalid range, {each.smallest:g} to {each.largest:g}")
