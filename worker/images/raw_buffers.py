"""Turn the raw buffer of a camera into samples. Where a format allows it, they are a view of the buffer."""

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.headers.header import ImageHeader
from stripwatch.worker.images.raw_header import PIXEL_FORMATS, PixelFormat, read_stride
from stripwatch.worker.images.samples import Samples

# OpenCV's short names are those of the second row: its BayerBG is GenICam's BayerRG. These name the first two rows.
_DEMOSAIC = {
    "RGGB": cv2.COLOR_BayerRGGB2RGB,
    "GRBG": cv2.COLOR_BayerGRBG2RGB,
    "GBRG": cv2.COLOR_BayerGBRG2RGB,
    "BGGR": cv2.COLOR_BayerBGGR2RGB,
}
# What libpng makes of RGB: (9797 R + 19234 G + 3737 B) >> 15. Half a step less and rounding is the same as the shift,
# and every product is exact in 32-bit floating point.
_GREY = np.array([[9797, 19234, 3737, -16383.5]], np.float32) / 2**15


def decode_raw(encoded: bytes, layout: RawLayout, header: ImageHeader, colour: str) -> Samples:
    """Decode a raw buffer whose size was checked against the limits.

    Args:
        encoded: The image alone, row by row.
        layout: As the headers of the record state it.
        header: What `read_raw_header` made of it.
        colour: "grey" makes colour grey, to the pixels that an 8-bit PNG file of the same image gives; "rgb" leaves a
            grey image grey.

    Raises:
        FrameRejected: The buffer is not of the stated size.
        cv2.error: Memory was not enough.
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
    """Grey of 8-bit RGB, as a PNG file of it is decoded: a stored copy must give the same pixels."""
    return np.asarray(cv2.transform(pixels, _GREY), np.uint8)


def _decode_colour(rows: Pixels, pixel_format: PixelFormat, width: int) -> Pixels:
    if pixel_format.colours in _DEMOSAIC:
        return np.asarray(cv2.cvtColor(rows[:, :width], _DEMOSAIC[pixel_format.colours]), np.uint8)
    pixels = rows[:, : 3 * width].reshape(rows.shape[0], width, 3)
    if pixel_format.colours == "BGR":
        pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
    return pixels


def _words(rows: Pixels, width: int) -> NDArray[np.uint16]:
    """16-bit little-endian samples; a copy only where an odd stride sets them off the grid."""
    row_bytes = rows[:, : 2 * width]
    if rows.strides[0] % 2:
        row_bytes = np.ascontiguousarray(row_bytes)
    return np.asarray(row_bytes.view("<u2"), np.uint16)


def _unpack(rows: Pixels, pixel_format: PixelFormat, width: int) -> NDArray[np.uint16]:
    """Samples of 10 or 12 bits; numpy releases the GIL meanwhile."""
    group_bytes = 5 if pixel_format.bits_per_pixel == 10 else 3
    group_pixels = group_bytes * 8 // pixel_format.bits_per_pixel
    groups = -(-width // group_pixels)
    missing = groups * group_bytes - rows.shape[1]
    if missing > 0:  # the last group of a row lacks pixels, and the row is not padded for them
        rows = np.pad(rows, ((0, 0), (0, missing)))
    parts = rows[:, : groups * group_bytes].reshape(rows.shape[0], groups, group_bytes)
    values = np.empty((rows.shape[0], groups, group_pixels), np.uint16)
    if pixel_format.packing == "gige":
        _unpack_gige(parts, pixel_format.bits - 8, values)
    else:
        _unpack_p(parts, pixel_format.bits, values)
    return values.reshape(rows.shape[0], groups * group_pixels)[:, :width]


def _unpack_p(parts: Pixels, bits: int, values: NDArray[np.uint16]) -> None:
    """The low bits of a pixel come first, and no pixel is in more than two bytes: a shift of the word of both.

    Reading words at odd addresses took 2 ms for 2048x1024 pixels; putting bytes together took 10.
    """
    for pixel in range(values.shape[2]):
        byte, shift = divmod(pixel * bits, 8)
        words = parts[:, :, byte : byte + 2].view("<u2")[:, :, 0]
        np.right_shift(words, shift, out=values[:, :, pixel])
    np.bitwise_and(values, 2**bits - 1, out=values)


def _unpack_gige(parts: Pixels, low_bits: int, values: NDArray[np.uint16]) -> None:
    """Three bytes: the upper eight bits of two pixels, and between them the low bits of both."""
    first, between, second = (parts[:, :, byte] for byte in range(3))
    mask = 2**low_bits - 1
    for pixel, (upper, lower) in enumerate(((first, between & mask), (second, (between >> 4) & mask))):
        np.left_shift(upper, low_bits, out=values[:, :, pixel], dtype=np.uint16)
        values[:, :, pixel] |= lower
