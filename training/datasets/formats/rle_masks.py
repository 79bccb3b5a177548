"""Run-length encoded masks of the Severstal data set: "START LENGTH START LENGTH ...".

Pixels are counted from 1, down each column, then across (https://www.kaggle.com/c/severstal-steel-defect-detection).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.common.errors import DataError

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RunLengthMask:
    """A run-length encoded mask. starts (from 0), lengths: int64 [runs], with pixels counted down the columns."""

    height_px: int
    width_px: int
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def area_px(self) -> int:
        """Return the number of pixels inside the mask."""
        return int(self.lengths.sum())

    def mask(self) -> Mask:
        """Return the mask as bool [height, width]."""
        edges = np.zeros(self.height_px * self.width_px + 1, np.int8)
        edges[self.starts] += 1  # runs do not overlap, so no index occurs twice in one statement
        edges[self.starts + self.lengths] -= 1
        inside = np.cumsum(edges[:-1], dtype=np.int8).astype(bool)
        return inside.reshape(self.width_px, self.height_px).T


def encode_mask(mask: Mask) -> RunLengthMask:
    """Return a mask, bool [height, width], as runs."""
    height_px, width_px = mask.shape
    edges = np.flatnonzero(np.diff(mask.T.ravel().astype(np.int8), prepend=0, append=0))
    starts, ends = edges[::2].astype(np.int64), edges[1::2].astype(np.int64)
    return RunLengthMask(height_px, width_px, starts, ends - starts)


def parse_runs(text: str, height_px: int, width_px: int, where: str) -> RunLengthMask:
    """Parse one mask. where: file and line, for the error message.

    Raises DataError for anything but pairs of whole numbers, for runs that overlap or are out of order, and for a run
    past the last pixel of the image.
    """
    words = text.split()
    if not words or len(words) % 2 or not all(word.isascii() and word.isdigit() and len(word) < 12 for word in words):
        raise DataError(f"{where}: the mask is not a list of START LENGTH pairs: {text[:40]!r}")
    starts, lengths = np.array(words, np.int64).reshape(-1, 2).T
    ends = starts + lengths
    if starts[0] < 1 or (lengths < 1).any() or (starts[1:] < ends[:-1]).any():
        raise DataError(f"{where}: the mask's runs must start at 1 or later, be in order and not overlap")
    if ends[-1] - 1 > height_px * width_px:
        raise DataError(
            f"{where}: the mask extends to pixel {ends[-1] - 1}, but an image of {height_px}x{width_px} has only "
            f"{height_px * width_px}"
        )
    return RunLengthMask(height_px, width_px, starts - 1, lengths)
