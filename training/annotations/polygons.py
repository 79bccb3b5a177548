"""Pixels inside a polygon."""

from collections.abc import Sequence

import numpy as np

from stripwatch.training.datasets.formats.rle_masks import Mask


def fill_polygon(points: Sequence[tuple[float, float]], width_px: int, height_px: int) -> Mask:
    """Return the pixels whose centre is inside a polygon, bool [height_px, width_px], by the even-odd rule.

    points: corners (x, y) in pixels from 0. Parts outside the image are cut off. A polygon that is too thin to contain
    the centre of a pixel covers the pixel nearest to its first corner. OpenCV's fillPoly would add a row and a
    column of pixels.
    """
    filled = np.zeros((height_px, width_px), bool)
    x1, y1 = np.array(points, np.float64).T
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    first, last = int(np.floor(y1.min())), int(np.ceil(y1.max()))
    for row in range(max(first, 0), min(last, height_px)):
        centre = row + 0.5
        at = np.flatnonzero((y1 <= centre) != (y2 <= centre))
        crossings = np.sort(x1[at] + (centre - y1[at]) * (x2[at] - x1[at]) / (y2[at] - y1[at]))
        for start, end in np.ceil(crossings - 0.5).astype(int).reshape(-1, 2).tolist():
            filled[row, max(start, 0) : max(end, 0)] = True
    if not filled.any():
        filled[int(np.clip(y1[0], 0, height_px - 1)), int(np.clip(x1[0], 0, width_px - 1))] = True
    return filled
