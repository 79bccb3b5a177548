"""Image header common to all formats, and checks shared by the readers."""

import re
from dataclasses import dataclass
from typing import Literal

from stripwatch.worker.common.errors import FrameRejected, RejectReason

ImageFormat = Literal["jpeg", "png", "bmp", "tiff", "webp", "raw"]

# Chunks of PNG and WebP files and segments of JPEG files: each costs time and memory, whatever its size, and millions
# fit into a file. The image in a PNG file of 36 MB has about 4,400 where libpng wrote it.
_PARTS_MAX = 65_536
_PADDING = re.compile(rb"\0*")


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Size and samples of an image, as its file declares them.

    Attributes:
        format: Image format.
        width_px: Stored width; a rotation in EXIF is ignored.
        height_px: Stored height; a rotation in EXIF is ignored.
        channels: Samples per pixel, after a palette is expanded.
        bits: Stored bits per sample.
        significant_bits: Bits that carry data, if the file declares it (sBIT in PNG, the largest sample in TIFF), else
            None.
        in_upper_bits: The significant bits are the upper bits of a 16-bit sample; otherwise they are the lower bits.
        complete: False if the file is well-formed but lacks parts of the image that it announces.
        progressive: The file is a progressive JPEG, in which damage can go unnoticed.
        second_image: Another image follows this one in the same bytes.
    """

    format: ImageFormat
    width_px: int
    height_px: int
    channels: int
    bits: int
    significant_bits: int | None = None
    in_upper_bits: bool = False
    complete: bool = True
    progressive: bool = False
    second_image: bool = False


def check_part_count(kind: str, count: int) -> None:
    """Raise FrameRejected for a file with too many parts."""
    if count > _PARTS_MAX:
        raise FrameRejected(RejectReason.UNDECODABLE, f"a {kind} file with more than {_PARTS_MAX} parts")


def begins_image(encoded: bytes, end: int, signature: bytes) -> bool:
    """Return whether another image begins after the given end, apart from padding. Other trailing data is ignored."""
    padding = _PADDING.match(encoded, end)
    return padding is not None and encoded.startswith(signature, padding.end())


def truncated(kind: str, encoded: bytes) -> FrameRejected:
    return FrameRejected(RejectReason.TRUNCATED, f"the {kind} file ends early, after {len(encoded)} bytes")
