"""Convert raw buffers to PNG files that decode to the same pixels, for viewing and training."""

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.images.decode import read_samples
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.images.headers.png import PNG_SIGNATURE
from stripwatch.worker.images.samples import SampleValues

_IHDR_END = len(PNG_SIGNATURE) + 25
_STORED_BITS = 16


def raw_to_png(encoded: bytes, layout: RawLayout, limits: DecodeLimits) -> bytes:
    """Convert a raw buffer to a PNG file with 8-bit grey, 8-bit colour (Bayer mosaics are demosaiced) or 16-bit grey.

    16-bit samples are scaled to the full range, as the PNG specification requires, and the chunk sBIT states their
    depth. A sample beyond the depth is stored as the largest value, as it would be decoded; the file does not record
    that the buffer had such samples.

    Raises FrameRejected for a buffer that cannot be decoded.
    """
    samples = read_samples(encoded, layout, limits)
    values = samples.values
    if samples.bits is not None:
        return _with_depth(_png(_scaled(np.asarray(values, np.uint16), samples.bits)), samples.bits)
    return _png(values if values.ndim == 2 else np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2BGR), np.uint8))


def _scaled(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """Scale samples to the full 16-bit range, rounding up so that the scaling shows in the low bits of dark frames."""
    full_scale = 2**bits - 1
    scaled = np.arange(2**bits) * (2**_STORED_BITS - 1)
    table = ((scaled + full_scale - 1) // full_scale).astype(np.uint16)
    return np.asarray(table[np.minimum(values, full_scale)], np.uint16)


def _png(values: SampleValues) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def _with_depth(png: bytes, bits: int) -> bytes:
    """Insert the chunk sBIT after the header."""
    body = b"sBIT" + bytes([bits])
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    return png[:_IHDR_END] + chunk + png[_IHDR_END:]
