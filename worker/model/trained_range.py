"""The sizes and the scale of the frames that a model was trained on, and whether a frame is like them.

A frame is brought to the size of the model's input, so its size decides how large a defect is in what the model sees,
and its aspect ratio decides how far a defect is stretched. A network without its own experience of other sizes copes
with little. What may differ is what augmentation for robustness usually covers: a factor of 1.25 in size (the standard
scale jitter of 0.8 to 1.25, Ghiasi et al. 2021) and of 4/3 in aspect ratio (random crops of 3/4 to 4/3, Szegedy et al.
2015).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import msgspec

from stripwatch.worker.common.errors import BundleError, FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.images.headers.reader import read_header

SIZE_FACTOR, ASPECT_FACTOR = 1.25, 4 / 3
_ROUNDING = 1e-6
_SIZES_NAMED_MAX = 5

Untrained = Literal["flag", "reject", "accept"]


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The smallest and the largest value of any training frame."""

    smallest: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(min(values), max(values))

    def admits(self, value: float, factor: float) -> bool:
        """Whether the value is in the range, or beyond it by this factor at most."""
        return self.smallest / factor - _ROUNDING <= value <= self.largest * factor + _ROUNDING

    def __str__(self) -> str:
        if self.smallest == self.largest:
            return f"{self.smallest:.4g}"
        return f"{self.smallest:.4g} to {self.largest:.4g}"


class TrainedFrames(msgspec.Struct, frozen=True):
    """The training frames of a model.

    aspect_ratio: width over height. mm_per_px: along the strip; None where training did not state it.
    """

    frames: int
    width_px: Range
    height_px: Range
    aspect_ratio: Range
    mm_per_px: Range | None = None

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], mm_per_px: Sequence[float] = ()) -> Self:
        """Of at least one frame. sizes: width and height of each."""
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
        """Also where either scale is not known."""
        return mm_per_px is None or self.mm_per_px is None or self.mm_per_px.admits(mm_per_px, SIZE_FACTOR)

    def flags(self, width_px: int, height_px: int, mm_per_px: float | None = None) -> tuple[FrameFlag, ...]:
        """What makes a frame unlike the training frames; nothing for a frame that is like them."""
        size = () if self.admits_size(width_px, height_px) else (FrameFlag.SIZE,)
        return size if self.admits_scale(mm_per_px) else (*size, FrameFlag.SCALE)

    def __str__(self) -> str:
        """For people: "200 x 200 px" or "800 to 1600 x 256 px, aspect ratio 3.125 to 6.25, 0.5 mm per px"."""
        size = f"{self.width_px} x {self.height_px} px"
        aspect = (
            "" if self.aspect_ratio.smallest == self.aspect_ratio.largest else f", aspect ratio {self.aspect_ratio}"
        )
        return f"{size}{aspect}" + (f", {self.mm_per_px} mm per px" if self.mm_per_px else "")


@dataclass(frozen=True, slots=True)
class SizeCheck:
    """Holds frames against the training frames of a model.

    trained: None where the bundle does not state them, and nothing is unlike them. scales_mm_per_px: by camera, where
    it is known.
    """

    trained: TrainedFrames | None = None
    untrained: Untrained = "flag"
    scales_mm_per_px: Mapping[str, float] = field(default_factory=dict)

    def apply(self, image: Image, camera: str | None = None) -> Image:
        """The image, with flags where it is unlike the training frames and the settings do not accept that.

        Raises FrameRejected where the settings refuse such frames.
        """
        flags = self.flags(image.width_px, image.height_px, camera)
        if not flags:
            return image
        if self.untrained == "reject":
            raise FrameRejected(RejectReason.UNTRAINED_SIZE, self.describe(image.width_px, image.height_px, camera))
        return replace(image, flags=(*image.flags, *flags))

    def flags(self, width_px: int, height_px: int, camera: str | None = None) -> tuple[FrameFlag, ...]:
        """Why a frame of this size is unlike the training frames; nothing where the settings accept it."""
        if self.trained is None or not self.active:
            return ()
        return self.trained.flags(width_px, height_px, self._scale(camera))

    @property
    def active(self) -> bool:
        """Whether any frame can be flagged or rejected."""
        return self.trained is not None and self.untrained != "accept"

    def describe(self, width_px: int, height_px: int, camera: str | None = None) -> str:
        scale = self._scale(camera)
        mm = f" at {scale:g} mm per px" if scale is not None else ""
        return f"{width_px} x {height_px} px{mm}; the model was trained on {self.trained}"

    def _scale(self, camera: str | None) -> float | None:
        return self.scales_mm_per_px.get(camera) if camera is not None else None


def size_warning(check: SizeCheck, files: Iterable[bytes]) -> str | None:
    """A sentence about the image files that are unlike the training frames, by their headers; None where none is.

    Files whose header cannot be read are passed over.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    for encoded in files:
        with suppress(FrameRejected):
            header = read_header(encoded)
            sizes[header.width_px, header.height_px] += 1
    unlike = [(size, count) for size, count in sizes.most_common() if check.flags(*size)]
    if not unlike:
        return None
    named = ", ".join(f"{count} of {width} x {height} px" for (width, height), count in unlike[:_SIZES_NAMED_MAX])
    more = f" and {len(unlike) - _SIZES_NAMED_MAX} more sizes" if len(unlike) > _SIZES_NAMED_MAX else ""
    result = "they are called unsure" if check.untrained == "flag" else "they are rejected"
    return (
        f"warning: {sum(count for _, count in unlike)} of {sizes.total()} frames are unlike those that the model was "
        f"trained on, {check.trained}: {named}{more}; {result} (setting frames.untrained_size)"
    )


def check_trained(trained: TrainedFrames) -> None:
    """Raises BundleError for what the types alone cannot say."""
    ranges = [trained.width_px, trained.height_px, trained.aspect_ratio, trained.mm_per_px]
    for each in ranges:
        if each is not None and not 0 < each.smallest <= each.largest < math.inf:
            raise BundleError(f"its range of training frames goes from {each.smallest:g} to {each.largest:g}")
