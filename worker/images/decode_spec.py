"""What decoding takes and returns: the spec of a model, the limits of a frame, and the decoded image."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame_limits import FRAME_BYTES_MAX, FRAME_PIXELS_MAX, FRAME_SIDE_PX_MIN

Pixels = NDArray[np.uint8]


class Levels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The grey levels that become 0 and 255 when samples of more than 8 bits are mapped to 8 bits.

    Both are shares of the full scale of the significant bits: 0.5 is 2048 of 4095 in 12-bit data.
    """

    black: float
    white: float


class DecodeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the frames of a model are decoded; training writes it into the bundle.

    Defaults are omitted from the bundle, so a worker of an earlier version can read every bundle that does not use a
    field it lacks, and refuses the others.

    colour: "rgb" gives 3 channels in that order, "grey" gives 1.
    fit: "stretch" resizes the whole frame to height_px x width_px, whatever its aspect ratio.
    interpolation: "area" averages where the frame shrinks in both directions, else linear; "linear" always.
    jpeg_scale: 2, 4 or 8 lets the JPEG decoder itself shrink by that factor, which is faster and not the same pixels.
    bit_depth: significant bits, 9 to 16, of samples stored in 16 bits by files that do not declare a depth; None where
        training did not state it.
    levels: how samples of more than 8 significant bits become 8 bits; None keeps the upper 8 significant bits.
    """

    height_px: int
    width_px: int
    colour: Literal["rgb", "grey"] = "rgb"
    fit: Literal["stretch"] = "stretch"
    interpolation: Literal["area", "linear"] = "area"
    jpeg_scale: Literal[1, 2, 4, 8] = 1
    bit_depth: int | None = None
    levels: Levels | None = None

    @property
    def channels(self) -> int:
        return 3 if self.colour == "rgb" else 1

    @property
    def name(self) -> str:
        """Colour and scale as `fit --decode` takes them, such as "rgb" or "grey/2"."""
        return self.colour if self.jpeg_scale == 1 else f"{self.colour}/{self.jpeg_scale}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of what `decode` returns."""
        return self.height_px, self.width_px, self.channels


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What a single frame may cost. The bytes come from outside; without limits one of them can take all memory.

    flags_damaged: decode a damaged JPEG file as far as possible and flag it, instead of rejecting it. Only the worker
        may: training and golden frames take intact files only.
    progressive: what becomes of a progressive JPEG file, in which damage can hide. Training and golden frames accept
        it.
    """

    bytes_max: int = FRAME_BYTES_MAX
    pixels_max: int = FRAME_PIXELS_MAX
    side_px_min: int = FRAME_SIDE_PX_MIN
    flags_damaged: bool = False
    progressive: Literal["accept", "flag", "reject"] = "accept"


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded frame.

    pixels: uint8 [height, width, channels] as the spec says.
    width_px, height_px: of the frame before it was resized.
    flags: why the frame was not decoded, or does not look, as in training; its verdict is unsure then.
    """

    pixels: Pixels
    width_px: int
    height_px: int
    flags: tuple[FrameFlag, ...] = ()
