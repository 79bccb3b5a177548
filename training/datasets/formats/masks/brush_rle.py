"""Masks of brushes in Label Studio: the RGBA pixels of the image, row by row, packed bit by bit.

The encoding is rle-pack of thi.ng (https://github.com/thi-ng/umbrella/tree/develop/packages/rle-pack), which the
converter of Label Studio also decodes
(https://github.com/HumanSignal/label-studio-converter/blob/master/label_studio_converter/brush.py). A header has the
number of values (32 bits), the bits of a value less one (5), and four bit counts less one (4 each). Each run then has a
flag for one repeated value (1), the index of a bit count (2), its length less one in that many bits, and its values.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_CHANNELS, _ALPHA = 4, 3


class _Bits:
    """Reads numbers from bytes, the highest bit first."""

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self._at = 0

    def read(self, bits: int) -> int:
        """Return the next number. Raises ValueError at the end."""
        first, last = self._at // 8, (self._at + bits + 7) // 8
        if last > len(self._encoded):
            raise ValueError("its brush mask ends early")
        self._at += bits
        number = int.from_bytes(self._encoded[first:last]) >> (last * 8 - self._at)
        return number & ((1 << bits) - 1)


def decode_brush(rle: Sequence[int], height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Return the pixels that a brush painted, bool [height_px, width_px].

    rle: the list of bytes in the export. Raises ValueError if it is truncated or belongs to another image size.
    """
    try:
        bits = _Bits(bytes(rle))
    except (ValueError, TypeError) as error:
        raise ValueError("its brush mask is not a list of bytes") from error
    count = bits.read(32)
    if count != height_px * width_px * _CHANNELS:
        raise ValueError(f"its brush mask has {count} values, which is not 4 for each of {width_px}x{height_px} pixels")
    value_bits = bits.read(5) + 1
    length_bits = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(count, bool)
    start = 0
    while start < count:
        repeated = bits.read(1)
        end = start + 1 + bits.read(length_bits[bits.read(2)])
        if end > count:
            raise ValueError("a run of its brush mask extends past the last pixel")
        if repeated:
            values[start:end] = bits.read(value_bits) > 0
        else:
            values[start:end] = [bits.read(value_bits) > 0 for _ in range(start, end)]
        start = end
    return np.ascontiguousarray(values.reshape(height_px, width_px, _CHANNELS)[..., _ALPHA])
