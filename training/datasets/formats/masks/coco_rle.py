"""Run-length masks of COCO: counts of pixels down each column, then across, beginning with pixels outside.

Compressed counts are decoded as in the original implementation (rleFrString in
https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Lengths = NDArray[np.int64]


def decode_counts(counts: Sequence[int] | str, height_px: int, width_px: int) -> tuple[Lengths, Lengths]:
    """Return the starts, from 0, and the lengths of the runs inside a mask, int64 [runs].

    counts: as numbers, or as compressed text. Raises ValueError if they do not fill the image.
    """
    plain = _decompressed(counts) if isinstance(counts, str) else counts
    if min(plain, default=0) < 0 or sum(plain) != height_px * width_px:
        raise ValueError(f"the runs of its mask do not cover {width_px}x{height_px} pixels")
    ends = np.cumsum(np.array(plain, np.int64))
    starts, lengths = ends[:-1:2], np.array(plain[1::2], np.int64)
    kept = lengths > 0
    return starts[kept], lengths[kept]


def _decompressed(text: str) -> list[int]:
    """Return the counts of a compressed mask: numbers in groups of five bits, differences from the third one on."""
    counts: list[int] = []
    value = shift = 0
    for code in text.encode():
        bits = code - 48
        if not 0 <= bits < 64:
            raise ValueError("the counts of its mask are not compressed counts")
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value |= -1 << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("the counts of its mask end early")
    return counts
