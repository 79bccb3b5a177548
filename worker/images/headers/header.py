"""What every image format declares in its header, and the errors that the readers share."""

from dataclasses import dataclass
from typing import Literal

from stripwatch.worker.common.errors import FrameRejected, RejectReason

ImageFormat = Literal["jpeg", "png", "bmp", "tiff", "webp", "raw"]


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
    """

    format: ImageFormat
    width_px: int
    height_px: int
    channels: int
    bits: int
    significant_bits: int | None = None
    in_upper_bits: bool = False
    complete: bool = True


def truncated(kind: str, encoded: bytes) -> FrameRejected:
    return FrameRejected(RejectReason.TRUNCATED, f"the {kind} file ends early, after {len(encoded)} bytes")
