"""What every image format declares in its header, and the errors that the readers share."""

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
    """The size and the samples of an image, as its file declares them.

    width_px, height_px: as stored; a rotation in EXIF is ignored.
    channels: samples per pixel, after a palette is expanded.
    bits: bits per sample as stored.
    significant_bits: how many of them carry data, where the file declares it (sBIT in PNG, the largest sample in TIFF);
        None where it does not.
    in_upper_bits: whether the significant bits are the upper ones of a sample of 16 bits; else they are the lower ones.
    complete: False where the file ends in order but leaves out parts of the image that it announces.
    progressive: whether it is a progressive JPEG file, in which damage can hide.
    second_image: whether a further image follows this one in the same bytes.
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
    """Raises FrameRejected for a file of more parts than are read."""
    if count > _PARTS_MAX:
        raise FrameRejected(RejectReason.UNDECODABLE, f"a {kind} file of more than {_PARTS_MAX} parts")


def begins_image(encoded: bytes, end: int, signature: bytes) -> bool:
    """Whether another image begins behind the one that ends there, apart from padding. What else follows is ignored."""
    padding = _PADDING.match(encoded, end)
    return padding is not None and encoded.startswith(signature, padding.end())


def truncated(kind: str, encoded: bytes) -> FrameRejected:
    return FrameRejected(RejectReason.TRUNCATED, f"the {kind} file ends early, after {len(encoded)} bytes")
