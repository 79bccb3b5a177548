"""Convert heatmaps and predicted boxes to boxes, for events in the worker and for localization scores in training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.contracts.events import Box
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder
from stripwatch.worker.model.bundle import CellGrid, HeatmapKind, Manifest

Heatmap = NDArray[np.float32]
BOXES_MAX = 8
_NEAR_PEAK = 0.7  # if no value reaches the threshold, the box is the region above this fraction of the peak


@dataclass(frozen=True, slots=True)
class HeatmapDecoder:
    """Decoder for the heatmaps of one model.

    Attributes:
        kind: Meaning of the values: "place" for scores per cell, "activation" for class activations.
        grid: Geometry of the heatmap cells.
        threshold: Threshold for boxes. For kind "place" it applies to the score of a cell. For kind "activation" it
            applies to the map scaled to 0..1 from its lowest to its highest value, because activations have no
            absolute scale.
        height_px: Height of the model input.
        width_px: Width of the model input.
        cell_boxes: Decoder for the boxes that the model predicts; None if it predicts none.
    """

    kind: HeatmapKind
    grid: CellGrid
    threshold: float
    height_px: int
    width_px: int
    cell_boxes: CellBoxDecoder | None = None

    def enlarge(self, heatmap: Heatmap) -> Heatmap:
        """Resize the heatmap of one label, shape [h, w], to the model input, with each cell at its own centre.

        Returns an array of shape [height_px, width_px]. Values between the centres are interpolated linearly;
        beyond the outer ones they are constant. OpenCV's warpAffine gives the same values, but takes longer
        for small inputs.
        """
        (first_y, first_x), (step_y, step_x) = self.grid.first_px, self.grid.step_px
        wide = _interpolate(heatmap.T, self.width_px, first_x, step_x).T
        large = _interpolate(np.ascontiguousarray(wide), self.height_px, first_y, step_y)
        return _unit_range(large) if self.kind == "activation" else large

    def locate(
        self, heatmap: Heatmap, cell_boxes: Heatmap | None, frame_width_px: int, frame_height_px: int
    ) -> list[Box]:
        """Return the boxes of one label in pixels of the frame, best first: the predicted ones, else those of `boxes`.

        heatmap: [h, w]. cell_boxes: boxes that the model predicts for the label, [h, w, 5]; None if it predicts none.
        The regions of the heatmap are also used if a predicted value is not finite.
        """
        if self.cell_boxes is not None and cell_boxes is not None:
            found = self.cell_boxes.boxes(heatmap, cell_boxes, frame_width_px, frame_height_px, BOXES_MAX)
            if found:
                return found
        return self.boxes(heatmap, frame_width_px, frame_height_px)

    def boxes(self, heatmap: Heatmap, frame_width_px: int, frame_height_px: int) -> list[Box]:
        """Return the boxes in pixels of the frame, highest score first: regions above the threshold, else the peak.

        Regions smaller than half a cell are left out unless they contain the peak. The list is empty if the heatmap
        has a non-finite value or is negative everywhere.
        """
        if not np.isfinite(heatmap).all():
            return []
        large = self.enlarge(heatmap)
        peak = float(large.max())
        if not 0 <= peak < math.inf:  # float32 may have overflowed
            return []
        mask = (large >= (self.threshold if peak >= self.threshold else peak * _NEAR_PEAK)).view(np.uint8)
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        # A single outline, the usual case, is one region without holes that contains the peak.
        rectangles = [cv2.boundingRect(outlines[0])] if len(outlines) == 1 else self._regions(large, mask, peak)
        scale_x, scale_y = frame_width_px / self.width_px, frame_height_px / self.height_px
        return [_scaled(rectangle, scale_x, scale_y) for rectangle in rectangles[:BOXES_MAX]]

    def _regions(self, large: Heatmap, mask: NDArray[Any], peak: float) -> list[Sequence[int]]:
        """Return left, top, width and height of each connected region, highest score first."""
        _, regions, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8, ltype=cv2.CV_16U)
        half_cell = self.grid.step_px[0] * self.grid.step_px[1] / 2
        found: list[tuple[float, Sequence[int]]] = []
        for number in range(1, len(stats)):
            x, y, width, height, area = (int(value) for value in stats[number])
            inside = regions[y : y + height, x : x + width] == number
            highest = float(large[y : y + height, x : x + width][inside].max())
            if area >= half_cell or highest == peak:
                found.append((highest, (x, y, width, height)))
        found.sort(key=lambda region: -region[0])
        return [rectangle for _, rectangle in found]


def heatmap_decoder(manifest: Manifest) -> HeatmapDecoder | None:
    """Create the heatmap decoder of a bundle; None if it has no heatmaps or no cell geometry."""
    if manifest.heatmaps is None or manifest.grid is None:
        return None
    size = manifest.decode.height_px, manifest.decode.width_px
    predicted = None if manifest.boxes is None else CellBoxDecoder(manifest.boxes.threshold, *size)
    return HeatmapDecoder(manifest.heatmaps, manifest.grid, manifest.box_threshold, *size, predicted)


def _interpolate(rows: Heatmap, length: int, first: float, step: float) -> Heatmap:
    """Interpolate linearly between rows, [n, m], and return [length, m]. first, step: as for `_positions`.

    It adds a share of the difference, so that equal rows give exactly the same values. A product with a matrix of
    weights would be as fast, but wakes the threads of BLAS, which then spin.
    """
    before, share = _positions(length, len(rows), first, step)
    found = np.diff(rows, axis=0, append=rows[-1:])[before]
    found *= share  # in place, because new arrays of this size cost more than the arithmetic
    found += rows[before]
    return np.asarray(found, np.float32)


@lru_cache
def _positions(length: int, cells: int, first: float, step: float) -> tuple[NDArray[np.intp], Heatmap]:
    """Return for each pixel the cell before it, [length], and the share of the next one, [length, 1].

    first: position of the first cell in pixels. step: distance of cells.
    """
    at = np.clip((np.arange(length) - first) / step, 0, cells - 1)
    before = at.astype(np.intp)
    share = (at - before).astype(np.float32)[:, np.newaxis]
    for each in (before, share):
        each.flags.writeable = False  # they are shared
    return before, share


def _unit_range(values: NDArray[Any]) -> Heatmap:
    lowest, highest = float(values.min()), float(values.max())
    scaled = (values - lowest) / (highest - lowest) if highest > lowest else np.ones_like(values)
    return np.asarray(scaled, np.float32)


def _scaled(rectangle: Sequence[int], scale_x: float, scale_y: float) -> Box:
    x, y, width, height = rectangle
    left, right = round(x * scale_x), round((x + width) * scale_x)
    top, bottom = round(y * scale_y), round((y + height) * scale_y)
    return Box(left, top, max(1, right - left), max(1, bottom - top))
