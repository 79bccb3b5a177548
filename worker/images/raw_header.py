"""Read the format of a raw buffer from the headers of its record, and check it against the size of the buffer.

Names and packing follow the GenICam Pixel Format Naming Convention 2.4 (EMVA); Mono10Packed and Mono12Packed are
defined by GigE Vision. The buffer must contain only the image: chunk data of a camera, which follows the image, depends
on the transport.
"""

import difflib
import math
from dataclasses import dataclass
from typing import Literal

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.header_names import HEIGHT_PX, PIXEL_FORMAT, STRIDE_BYTES, WIDTH_PX
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.headers.reader import read_header


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """Format of the pixels in a raw buffer.

    Attributes:
        bits: Significant bits of a sample.
        bits_per_pixel: Stored bits per pixel.
        packing: "none" if each sample has its own byte or 16-bit word, "p" for the packing of the naming convention,
            "gige" for that of GigE Vision.
        colours: Order of the samples, or the first four of a Bayer mosaic; empty for grey.
    """

    bits: int
    bits_per_pixel: int
    packing: Literal["none", "p", "gige"] = "none"
    colours: str = ""

    @property
    def channels(self) -> int:
        return 3 if self.colours else 1


PIXEL_FORMATS = {
    "Mono8": PixelFormat(8, 8),
    "Mono10": PixelFormat(10, 16),
    "Mono12": PixelFormat(12, 16),
    "Mono14": PixelFormat(14, 16),
    "Mono16": PixelFormat(16, 16),
    "Mono10p": PixelFormat(10, 10, "p"),
    "Mono12p": PixelFormat(12, 12, "p"),
    "Mono10Packed": PixelFormat(10, 12, "gige"),
    "Mono12Packed": PixelFormat(12, 12, "gige"),
    "BayerRG8": PixelFormat(8, 8, colours="RGGB"),
    "BayerGR8": PixelFormat(8, 8, colours="GRBG"),
    "BayerGB8": PixelFormat(8, 8, colours="GBRG"),
    "BayerBG8": PixelFormat(8, 8, colours="BGGR"),
    "RGB8": PixelFormat(8, 24, colours="RGB"),
    "BGR8": PixelFormat(8, 24, colours="BGR"),
}
_BY_LOWER_CASE = {name.lower(): name for name in PIXEL_FORMATS}
_SIDE_PX_MAX = 2**31 - 1


def frame_header(encoded: bytes, layout: RawLayout | None) -> ImageHeader:
    """Read the header of an image file (layout is None) or of a raw buffer. Raises FrameRejected."""
    if layout is None:
        return read_header(encoded)
    if not encoded:
        raise FrameRejected(RejectReason.EMPTY, "the record has no value")
    return read_raw_header(layout)


def read_raw_header(layout: RawLayout) -> ImageHeader:
    """Read the size and samples of a raw buffer from its layout.

    Raises FrameRejected for an unsupported pixel format, and for a missing or invalid size.
    """
    pixel_format = read_pixel_format(layout)
    width_px, height_px = _side(WIDTH_PX, layout.width_px), _side(HEIGHT_PX, layout.height_px)
    bits = 16 if pixel_format.bits > 8 else 8
    return ImageHeader("raw", width_px, height_px, pixel_format.channels, bits, pixel_format.bits)


def read_pixel_format(layout: RawLayout) -> PixelFormat:
    """Look up the pixel format of a layout. Raises FrameRejected (unsupported_format)."""
    name = layout.pixel_format
    if name in PIXEL_FORMATS:
        return PIXEL_FORMATS[name]
    near = _BY_LOWER_CASE.get(name.lower()) or next(iter(difflib.get_close_matches(name, PIXEL_FORMATS, n=1)), None)
    hint = f"; did you mean {near}?" if near else ""
    what = f"is {name!r}" if name else "cannot be read"
    supported = ", ".join(PIXEL_FORMATS)
    raise FrameRejected(
        RejectReason.UNSUPPORTED_FORMAT, f"{PIXEL_FORMAT} {what}{hint}; supported pixel formats: {supported}"
    )


def read_stride(encoded: bytes, layout: RawLayout, header: ImageHeader) -> tuple[int, int]:
    """Check the size of the buffer, and return the bytes from row to row and the bytes of the last row.

    The padding of the last row may be missing, as GenICam allows. Raises FrameRejected: truncated if bytes are missing,
    undecodable if the stated sizes contradict each other.
    """
    row_bits = header.width_px * PIXEL_FORMATS[layout.pixel_format].bits_per_pixel
    row_bytes = -(-row_bits // 8)
    row = f"a row of {header.width_px} pixels ({WIDTH_PX}) of {layout.pixel_format}"
    if layout.stride_bytes is None and row_bits % 8:
        detail = (
            f"{row} ends within a byte; state in {STRIDE_BYTES} where the next row begins. If it begins in the same "
            f"byte, set the camera to a width that is a multiple of {_whole_pixels(layout)}"
        )
        raise FrameRejected(RejectReason.UNDECODABLE, detail)
    stride = row_bytes if layout.stride_bytes is None else layout.stride_bytes
    if stride == 0:
        detail = f"the header {STRIDE_BYTES} is 0 or not a whole number in ASCII digits; omit it for rows without gaps"
        raise FrameRejected(RejectReason.UNDECODABLE, detail)
    if stride < row_bytes:
        detail = f"{STRIDE_BYTES} is {stride}, but {row} takes {row_bytes} bytes"
        raise FrameRejected(RejectReason.UNDECODABLE, detail)
    needed, there = stride * header.height_px, len(encoded)
    if there == needed:
        return stride, stride
    if there == needed - (stride - row_bytes):
        return stride, row_bytes
    stated = f"{header.height_px} rows ({HEIGHT_PX}) of {stride} bytes ({STRIDE_BYTES} or {WIDTH_PX}) are {needed}"
    if there < needed:
        raise FrameRejected(RejectReason.TRUNCATED, f"{there} bytes; {stated}: {needed - there} are missing")
    more = f"{there} bytes; {stated}: {there - needed} too many; send only the image, without chunk data or padding"
    raise FrameRejected(RejectReason.UNDECODABLE, more)


def _whole_pixels(layout: RawLayout) -> int:
    """Return the smallest number of pixels that fill whole bytes."""
    return 8 // math.gcd(8, PIXEL_FORMATS[layout.pixel_format].bits_per_pixel)


def _side(name: str, value: int | None) -> int:
    if value is None:
        detail = f"the header {name} of a raw buffer is missing or is not a whole number in ASCII digits, such as 1024"
        raise FrameRejected(RejectReason.UNDECODABLE, detail)
    if not 0 < value <= _SIDE_PX_MAX:
        raise FrameRejected(RejectReason.UNDECODABLE, f"{name} is {value}")
    return value
