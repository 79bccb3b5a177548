"""Decode the raw buffer of a camera into samples, without copying if the format allows it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.raw_header import PIXEL_FORMATS, PixelFormat, read_stride
from stripwatch.worker.images.samples import Samples

# OpenCV's short names describe the second row: its BayerBG is GenICam's BayerRG. The names here describe the first two.
_DEMOSAIC = {
    "RGGB": cv2.COLOR_BayerRGGB2RGB,
    "GRBG": cv2.COLOR_BayerGRBG2RGB,
    "GBRG": cv2.COLOR_BayerGBRG2RGB,
    "BGGR": cv2.COLOR_BayerBGGR2RGB,
}
# libpng converts RGB to grey as (9797 R + 19234 G + 3737 B) >> 15. Subtracting half a step and rounding is the same as
# the shift, and every product is exact in 32-bit floating point.
_GREY = np.array([[9797, 19234, 3737, -16383.5]], np.float32) / 2**15


def decode_raw(encoded: bytes, layout: RawLayout, header: ImageHeader, colour: str) -> Samples:
    """Decode a raw buffer whose size was checked against the limits.

    Args:
        encoded: The image, row by row, without other data.
        layout: Format from the headers of the record.
        header: Header from `read_raw_header`.
        colour: "grey" converts colour to the same grey pixels as an 8-bit PNG file of the image; "rgb" leaves a grey
            image grey.

    Raises:
        FrameRejected: The size of the buffer differs from the stated one.
        cv2.error: There was not enough memory.
    """
    stride, last_row_bytes = read_stride(encoded, layout, header)
    pixel_format, width = PIXEL_FORMATS[layout.pixel_format], header.width_px
    rows: Pixels = np.ndarray((header.height_px, last_row_bytes), np.uint8, encoded, strides=(stride, 1))
    if pixel_format.colours:
        pixels = _decode_colour(rows, pixel_format, width)
        return Samples(to_grey(pixels) if colour == "grey" else pixels)
    if pixel_format.bits == 8:
        return Samples(rows[:, :width])
    if pixel_format.packing == "none":
        return Samples(_words(rows, width), pixel_format.bits)
    return Samples(_unpack(rows, pixel_format, width), pixel_format.bits)


def to_grey(pixels: Pixels) -> Pixels:
    """Convert 8-bit RGB to grey exactly as libpng does, because a copy stored as PNG must give the same pixels."""
    return np.asarray(cv2.transform(pixels, _GREY), np.uint8)


def _decode_colour(rows: Pixels, pixel_format: PixelFormat, width: int) -> Pixels:
    if pixel_format.colours in _DEMOSAIC:
        return np.asarray(cv2.cvtColor(rows[:, :width], _DEMOSAIC[pixel_format.colours]), np.uint8)
    pixels = rows[:, : 3 * width].reshape(rows.shape[0], width, 3)
    if pixel_format.colours == "BGR":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    return pixels


def _words(rows: Pixels, width: int) -> NDArray[np.uint16]:
    """Return 16-bit little-endian samples, as a view unless an odd stride misaligns them."""
    row_bytes = rows[:, : 2 * width]
    if rows.strides[0] % 2:
        row_bytes = np.ascontiguousarray(row_bytes)
    return np.asarray(row_bytes.view("<u2"), np.uint16)


def _unpack(rows: Pixels, pixel_format: PixelFormat, width: int) -> NDArray[np.uint16]:
    """Unpack samples of 10 or 12 bits. numpy releases the GIL during the computation."""
    group_bytes = 5 if pixel_format.bits_per_pixel == 10 else 3
    group_pixels = group_bytes * 8 // pixel_format.bits_per_pixel
    groups = -(-width // group_pixels)
    missing = groups * group_bytes - rows.shape[1]
    if missing > 0:  # the last group of a row is incomplete, and the row has no padding
        rows = np.pad(rows, ((0, 0), (0, missing)))
    parts = rows[:, : groups * group_bytes].reshape(rows.shape[0], groups, group_bytes)
    values = np.empty((rows.shape[0], groups, group_pixels), np.uint16)
    if pixel_format.packing == "gige":
        _unpack_gige(parts, pixel_format.bits - 8, values)
    else:
        _unpack_p(parts, pixel_format.bits, values)
    return values.reshape(rows.shape[0], groups * group_pixels)[:, :width]


def _unpack_p(parts: Pixels, bits: int, values: NDArray[np.uint16]) -> None:
    """Unpack samples in the packing of the GenICam naming convention ("p").

    The low bits of a pixel come first, and a pixel spans at most two bytes, so each is a shifted 16-bit word. Reading
    words at odd addresses is about five times faster than combining bytes.
    """
    for pixel in range(values.shape[2]):
        byte, shift = divmod(pixel * bits, 8)
        words = parts[:, :, byte : byte + 2].view("<u2")[:, :, 0]
        np.right_shift(words, shift, out=values[:, :, pixel])
    np.bitwise_and(values, 2**bits - 1, out=values)


def _unpack_gige(parts: Pixels, low_bits: int, values: NDArray[np.uint16]) -> None:
    """Unpack groups of three bytes: the upper eight bits of two pixels, with the low bits of both between them."""
    first, between, second = (parts[:, :, byte] for byte in range(3))
    mask = 2**low_bits - 1
    for pixel, (upper, lower) in enumerate(((first, between & mask), (second, (between >> 4) & mask))):
        np.left_shift(upper, low_bits, out=values[:, :, pixel], dtype=np.uint16)
        values[:, :, pixel] |= lower
