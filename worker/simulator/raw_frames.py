"""Raw buffers in GenICam pixel formats, as sent by a camera without an image encoder."""

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.images.raw_header import PIXEL_FORMATS, PixelFormat


def require_pixel_format(name: str) -> None:
    """Raise SettingsError unless `name` is a supported pixel format."""
    if name not in PIXEL_FORMATS:
        raise SettingsError(f"--pixel-format must be one of {', '.join(PIXEL_FORMATS)}, not {name!r}")


def pack_raw(pixels: Pixels, name: str) -> tuple[bytes, RawLayout]:
    """Pack grey uint8 [height, width] pixels. The samples of a deeper format are scaled to its full range.

    In Bayer and colour formats every channel has the same grey value.
    """
    pixel_format = PIXEL_FORMATS[name]
    rows = _pack_rows(pixels, pixel_format)
    height, width = pixels.shape
    ends_within_byte = width * pixel_format.bits_per_pixel % 8 != 0
    return rows.tobytes(), RawLayout(name, width, height, rows.shape[1] if ends_within_byte else None)


def _pack_rows(pixels: Pixels, pixel_format: PixelFormat) -> Pixels:
    """Return the packed bytes of each row, uint8 [height, bytes]."""
    if pixel_format.bits == 8:
        return np.repeat(pixels, 3, axis=1) if pixel_format.bits_per_pixel == 24 else pixels
    values = _scaled(pixels, pixel_format.bits)
    if pixel_format.packing == "none":
        return values.astype("<u2").view(np.uint8)
    if pixel_format.packing == "gige":
        return _pack_gige(values, pixel_format.bits - 8)
    bits = (values[..., None] >> np.arange(pixel_format.bits, dtype=np.uint16) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(values.shape[0], -1), axis=1, bitorder="little")


def _scaled(pixels: Pixels, bits: int) -> NDArray[np.uint16]:
    wide = pixels.astype(np.uint16)
    return np.asarray(wide << (bits - 8) | wide >> (16 - bits), np.uint16)


def _pack_gige(values: NDArray[np.uint16], low_bits: int) -> Pixels:
    """Pack pairs of pixels into three bytes: the upper eight bits of each, with the low bits of both between them."""
    height, width = values.shape
    pairs = np.pad(values, ((0, 0), (0, width % 2))).reshape(height, -1, 2)
    low = pairs & (2**low_bits - 1)
    between = low[..., 0] | low[..., 1] << 4
    triples = np.stack([pairs[..., 0] >> low_bits, between, pairs[..., 1] >> low_bits], axis=-1).astype(np.uint8)
    return triples.reshape(height, -1)[:, : -(-width * 12 // 8)]
