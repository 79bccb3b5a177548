"""Types of decoding: the spec of a model, the limits of a frame, and the decoded image."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, FRAME_SIDE_PX_MIN

Pixels = NDArray[np.uint8]


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Black and white level: the grey levels that become 0 and 255 when deeper samples are mapped to 8 bits.

    Both are fractions of the full scale of the significant bits: 0.5 is 2048 of 4095 in 12-bit data.
    """

    black: Annotated[float, Meta(description="Black level, 0 to 1: the part of the full scale that becomes 0.")]
    white: Annotated[float, Meta(description="White level, 0 to 1: the part of the full scale that becomes 255.")]


class DecodeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Decoding of the frames of a model. Training writes it into the bundle.

    Fields with default values are omitted from the bundle. A worker of an earlier version can therefore read every
    bundle that does not use a newer field, and rejects the others. The description of a field is part of the reference.
    """

    height_px: Annotated[int, Meta(description="Height of the model input, in pixels.")]
    width_px: Annotated[int, Meta(description="Width of the model input, in pixels.")]
    colour: Annotated[
        Literal["rgb", "grey"], Meta(description="`rgb` gives 3 channels in that order, `grey` gives 1.")
    ] = "rgb"
    fit: Annotated[
        Literal["stretch"],
        Meta(description="`stretch` resizes the whole frame to the model input regardless of its aspect ratio."),
    ] = "stretch"
    interpolation: Annotated[
        Literal["area", "linear"],
        Meta(
            description="`area` averages pixels if the frame shrinks in both directions and is linear otherwise; "
            "`linear` is always linear."
        ),
    ] = "area"
    jpeg_scale: Annotated[
        Literal[1, 2, 4, 8],
        Meta(
            description="Factor by which the JPEG decoder shrinks the image, 1 for not at all. Shrinking is faster but "
            "gives other pixels than resizing."
        ),
    ] = 1
    bit_depth: Annotated[
        int | None,
        Meta(
            description="Significant bits (9 to 16) of samples that are stored in 16 bits by files that do not declare "
            "a depth; null if training did not state it."
        ),
    ] = None
    levels: Annotated[
        Levels | None,
        Meta(
            description="Mapping of samples with more than 8 significant bits to 8 bits; null keeps the upper 8 "
            "significant bits."
        ),
    ] = None

    @property
    def channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def name(self) -> str:
        """Colour and scale in the notation of `fit --decode`, such as "rgb" or "grey/2"."""
        return self.colour if self.jpeg_scale == 1 else f"{self.colour}/{self.jpeg_scale}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the decoded pixels."""
        return self.height_px, self.width_px, self.channels


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Limits of a single frame. Frames come from outside; without limits one of them could use all memory.

    Attributes:
        bytes_max: Maximum encoded size in bytes.
        pixels_max: Maximum number of pixels.
        side_px_min: Minimum width and height in pixels.
        flags_damaged: Decode a damaged JPEG file as far as possible and flag it, instead of rejecting it. Only the
            worker does so; training and golden frames require intact files.
        progressive: Treatment of a progressive JPEG file, in which damage can go unnoticed. Training and golden frames
            accept it.
    """

    bytes_max: int = FRAME_BYTES_MAX
    pixels_max: int = FRAME_PIXELS_MAX
    side_px_min: int = FRAME_SIDE_PX_MIN
    flags_damaged: bool = False
    progressive: Literal["accept", "flag", "reject"] = "accept"


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded frame.

    Attributes:
        pixels: uint8 array of shape [height, width, channels] as in the spec.
        width_px: Width of the frame before it was resized.
        height_px: Height of the frame before it was resized.
        flags: Reasons why the image may differ from those in training; with a flag, the verdict is unsure.
    """

    pixels: Pixels
    width_px: int
    height_px: int
    flags: tuple[FrameFlag, ...] = ()
