"""Combine the boxes that a model predicts for each cell to boxes of defects.

Each cell predicts the box of the defect at its centre, and how well this box will fit. Neighbouring cells of one defect
predict nearly the same box, so their boxes are averaged, weighted by their scores (Solovyev et al. 2019, weighted boxes
fusion, https://arxiv.org/abs/1910.13302), and further boxes of the same place are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.events import Box

Floats = NDArray[np.float32]
VALUES = 5  # of a cell and label: left, top, right and bottom in pixels of the model input, and the quality
_AVERAGED_OVERLAP = 0.4  # boxes that overlap the best one by this much are averaged with it
_REMOVED_OVERLAP = 0.2  # boxes that overlap the best one by this much are of the same defect
_CELLS_MAX = 512  # bounds the time for a large map


@dataclass(frozen=True, slots=True)
class CellBoxDecoder:
    """Decoder for the boxes of one model.

    Attributes:
        threshold: Score of a cell times the quality of its box, 0 to 1, from which a box is reported. If no cell
            reaches it, the best cell gives the only box.
        height_px: Height of the model input.
        width_px: Width of the model input.
    """

    threshold: float
    height_px: int
    width_px: int

    def corners(self, scores: Floats, values: Floats, boxes_max: int) -> Floats:
        """Return left, top, right and bottom of each box, as shares of the frame, float32 [n, 4], best first.

        scores: scores of one label per cell, [h, w]. values: boxes of this label per cell, [h, w, 5], see `VALUES`.
        The result is empty if a value is not finite or no score is positive.
        """
        if not (np.isfinite(scores).all() and np.isfinite(values).all()):
            return np.empty((0, 4), np.float32)
        certainty = (scores * values[..., 4]).ravel()
        peak = float(certainty.max())
        if peak <= 0:
            return np.empty((0, 4), np.float32)
        kept = np.flatnonzero(certainty >= min(self.threshold, peak))
        kept = kept[np.argsort(-certainty[kept], kind="stable")][:_CELLS_MAX]
        weights, boxes = certainty[kept], values[..., :4].reshape(-1, 4)[kept]
        found: list[Floats] = []
        while len(boxes) and len(found) < boxes_max:
            overlaps = overlaps_with(boxes, boxes[0])
            near = overlaps >= _AVERAGED_OVERLAP
            near[0] = True  # the overlap of an empty box with itself is 0
            found.append(weights[near] @ boxes[near] / weights[near].sum())
            others = overlaps < _REMOVED_OVERLAP
            others[0] = False
            weights, boxes = weights[others], boxes[others]
        size = np.array([self.width_px, self.height_px] * 2, np.float32)
        return np.asarray(np.clip(np.array(found) / size, 0, 1), np.float32)

    def boxes(
        self, scores: Floats, values: Floats, frame_width_px: int, frame_height_px: int, boxes_max: int
    ) -> list[Box]:
        """Return the boxes in pixels of the frame, best first. The other arguments are those of `corners`."""
        return [
            _to_box(row, frame_width_px, frame_height_px) for row in self.corners(scores, values, boxes_max).tolist()
        ]


def overlaps_with(boxes: Floats, box: Floats) -> Floats:
    """Return the intersection over union of each box with one box, [n]. boxes: left, top, right, bottom, [n, 4]."""
    low, high = np.maximum(boxes[:, :2], box[:2]), np.minimum(boxes[:, 2:], box[2:])
    both = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(both / np.maximum(areas - both, 1e-9), np.float32)


def _to_box(corners: list[float], width_px: int, height_px: int) -> Box:
    """Return a box inside the frame that is at least one pixel wide and high."""
    left, right = _span(corners[0], corners[2], width_px)
    top, bottom = _span(corners[1], corners[3], height_px)
    return Box(left, top, right - left, bottom - top)


def _span(low: float, high: float, size_px: int) -> tuple[int, int]:
    first = min(round(low * size_px), size_px - 1)
    return first, max(first + 1, round(high * size_px))
