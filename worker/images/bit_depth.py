"""Map samples of more than 8 bits to 8 bits through a lookup table, as chosen in training."""

from functools import lru_cache

import cv2
import numpy as np

from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels, Pixels
from stripwatch.worker.images.samples import Samples, SampleValues

BIT_DEPTH_MIN, BIT_DEPTH_MAX = 9, 16  # of samples that are stored in 16 bits
_STORED_BITS = 16
_STRAY_SHARE = 1000  # one sample in 1000 may be larger: defective pixels, and text that software draws in white
_FEW_BITS = 14  # 16-bit samples that all fit in these probably come from a camera of 10, 12 or 14 bits


def to_8_bits(samples: Samples, spec: DecodeSpec) -> tuple[Pixels, tuple[FrameFlag, ...]]:
    """Map samples to 8 bits, and flag samples whose depth is unknown or contradicts the stated depth.

    The depth is the one that the file declares, else the one stated by training, else 16 bits. 8-bit samples are not
    changed. They are flagged if training chose levels: the model then saw deeper samples, which look different.
    """
    if samples.values.dtype == np.uint8:
        pixels, doubtful = np.asarray(samples.values, np.uint8), spec.levels is not None
    else:
        bits = samples.bits or spec.bit_depth or _STORED_BITS
        doubtful = is_doubtful(largest_sample(samples.values, samples.bits), samples.bits, spec.bit_depth)
        pixels = np.asarray(cv2.LUT(samples.values, _lookup_table(bits, spec.levels)), np.uint8)
    flags = (*samples.flags, FrameFlag.BIT_DEPTH) if doubtful else samples.flags
    return pixels, tuple(dict.fromkeys(flags))


def largest_sample(values: SampleValues, declared: int | None) -> int:
    """Return the largest sample, ignoring a few outliers if the file declares no depth below 16 bits.

    Outliers are ignored by halving the value while at most one sample in 1000 is larger. Otherwise one white pixel
    would make a 12-bit camera look like a 16-bit camera, and its frames would come out black.
    """
    largest = int(values.max())
    if declared in (None, _STORED_BITS):
        while largest and np.count_nonzero(values > largest >> 1) <= values.size // _STRAY_SHARE:
            largest >>= 1
    return largest


def is_doubtful(largest: int, declared: int | None, stated: int | None) -> bool:
    """Return whether the depth of samples is contradicted by their largest value, or is unknown and below 16 bits.

    Args:
        largest: The largest sample.
        declared: Depth that the file declares. Software often declares 16 bits for anything stored in 16 bits, so 16
            is only trusted if training states it too.
        stated: Depth stated by training, as in `DecodeSpec.bit_depth`.
    """
    unproven = declared == _STORED_BITS and stated != _STORED_BITS
    bits = None if unproven else declared or stated
    return largest >> bits > 0 if bits else largest < 2**_FEW_BITS


@lru_cache(maxsize=32)
def _lookup_table(bits: int, levels: Levels | None) -> Pixels:
    """Return the 8-bit value for every 16-bit value. A value beyond the depth counts as the largest one."""
    values = np.minimum(np.arange(2**_STORED_BITS), 2**bits - 1)
    if levels is None:
        mapped = values >> (bits - 8) if bits >= 8 else values << (8 - bits)
    else:
        shares = values / (2**bits - 1)
        mapped = np.clip(np.round((shares - levels.black) / (levels.white - levels.black) * 255), 0, 255)
    table: Pixels = mapped.astype(np.uint8)
    table.setflags(write=False)
    return table
