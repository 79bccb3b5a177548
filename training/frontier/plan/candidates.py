"""Candidates of a search: input sizes and decodings that make sense for the frames of a data set."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.images.decode_spec import DecodeSpec

CandidatePrecision = Literal["fp32", "int8"]
Size = tuple[int, int]  # height and width in pixels
LADDER_PX = (64, 96, 128, 160, 224)  # sides of square inputs; larger networks add the side they were published with
_WIDE = 1.25  # a frame with a larger ratio of its sides keeps it
_STEP_PX = 8  # sides of an input that keeps the ratio are multiples of this
_JPEG_SCALES = (8, 4, 2)
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """Facts about the frames of a data set on which candidates depend.

    height_px, width_px: of the smallest frame, by area. jpeg: all files are JPEG. colour: a frame has colour, as
    opposed to grey pixels in a colour file.
    """

    height_px: int
    width_px: int
    jpeg: bool
    colour: bool


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a backbone over all frames, which gives the features of all its cuts. decode: as for `fit`."""

    choice: NetworkChoice
    size: Size
    decode: str

    def spec(self, bit_depth: int | None = None) -> DecodeSpec:
        """Return how the frames are decoded."""
        colour, _, scale = self.decode.partition("/")
        fields = {"height_px": self.size[0], "width_px": self.size[1], "colour": colour, "jpeg_scale": int(scale or 1)}
        return msgspec.structs.replace(msgspec.convert(fields, DecodeSpec), bit_depth=bit_depth)

    @property
    def title(self) -> str:
        """Return a text such as "mobilenet 128x128 grey"."""
        return f"{self.choice.name} {self.size[0]}x{self.size[1]} {self.decode}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A pass, a cut of its network and a precision. cut: as for `fit`; "" for the whole network."""

    source: Pass
    cut: str
    precision: CandidatePrecision = "fp32"

    @property
    def name(self) -> str:
        """Return a unique name that can be that of a folder, such as "mobilenet-whole-128x128-grey-fp32"."""
        height, width = self.source.size
        words = (self.source.choice.name, self.cut or "whole", f"{height}x{width}", self.source.decode, self.precision)
        return "-".join(_NOT_IN_NAMES.sub("_", word) for word in words)

    @property
    def fit_flags(self) -> list[str]:
        """Return the options of `fit` without weights and cut."""
        height, width = self.source.size
        choice = self.source.choice
        words = ["--network", choice.network, "--alpha", f"{choice.alpha:g}", "--decode", self.source.decode]
        return [*words, "--input", f"{height}x{width}"]


def key_of(*parts: object) -> str:
    """Return a short hash of everything that a measurement depends on."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


def parse_sizes(text: str) -> list[Size]:
    """Parse "96x96,128x128" to heights and widths; "" to an empty list. Raises SettingsError for anything else."""
    found: list[Size] = []
    for word in filter(None, map(str.strip, text.split(","))):
        match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", word)
        if match is None:
            raise SettingsError(f"--sizes: {word!r} is not HEIGHTxWIDTH, such as 128x128")
        found.append((int(match[1]), int(match[2])))
    return list(dict.fromkeys(found))


def size_ladder(frames: FrameFacts, side_px: int, side_px_min: int) -> list[Size]:
    """Return the input sizes to try for a network, smallest first.

    side_px: side of the square that the network was published with, which is the largest area. side_px_min: smallest
    side that it accepts. Frames that are not square keep the ratio of their sides; the published square is added, since
    `fit` stretches frames to it by default.
    """
    ratio = frames.width_px / frames.height_px
    sides = sorted({side for side in LADDER_PX if side <= side_px} | {side_px})
    if 1 / _WIDE <= ratio <= _WIDE:
        return [(side, side) for side in sides if side >= side_px_min]
    sizes = [_with_ratio(side, ratio) for side in sides]
    fitting = [size for size in dict.fromkeys(sizes) if min(size) >= side_px_min]
    return [*fitting, (side_px, side_px)]


def _with_ratio(side_px: int, ratio: float) -> Size:
    """Return a size of about side_px * side_px pixels with this ratio of width to height."""
    height, width = side_px / ratio**0.5, side_px * ratio**0.5
    return max(_STEP_PX, round(height / _STEP_PX) * _STEP_PX), max(_STEP_PX, round(width / _STEP_PX) * _STEP_PX)


def decodings(frames: FrameFacts, size: Size) -> list[str]:
    """Return the decodings to try at an input size, as for `fit --decode`.

    Without colour, grey gives the same pixels as rgb for less time. A JPEG scale must leave at least the pixels that
    the input has, and only the largest such scale is tried.
    """
    scale = next((each for each in _JPEG_SCALES if frames.jpeg and _leaves(frames, size, each)), 1)
    return [
        colour if factor == 1 else f"{colour}/{factor}"
        for colour in (("rgb", "grey") if frames.colour else ("grey",))
        for factor in dict.fromkeys((1, scale))
    ]


def _leaves(frames: FrameFacts, size: Size, scale: int) -> bool:
    return -(-frames.height_px // scale) >= size[0] and -(-frames.width_px // scale) >= size[1]


def plan_passes(choice: NetworkChoice, frames: FrameFacts, sizes: Sequence[Size]) -> list[Pass]:
    """Return the passes of a network at these sizes, in order."""
    return [Pass(choice, size, decode) for size in sizes for decode in decodings(frames, size)]
