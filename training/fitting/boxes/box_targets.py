"""The boxes that cells of a feature map should predict."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.cell_boxes import Array, cell_centres
from stripwatch.training.annotations.annotations import Annotations
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import CellGrid

Positions = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class BoxTargets:
    """Cells of one frame that lie in annotated boxes, one row for each cell and label.

    cells: positions in the flat map, [m]. labels: index of the label, [m]. edges: left, top, right and bottom in pixels
    of the model input, [m, 4]. weights: [m]; a large box does not outweigh a small one by its number of cells, but by
    its square root. boxes: number of annotated boxes.
    """

    cells: Positions
    labels: Positions
    edges: Array
    weights: Array
    boxes: int

    def sample(self, count: int, rng: np.random.Generator) -> "BoxTargets":
        """Return at most this many rows, chosen at random."""
        if len(self.cells) <= count:
            return self
        kept = np.sort(rng.permutation(len(self.cells))[:count])
        return BoxTargets(self.cells[kept], self.labels[kept], self.edges[kept], self.weights[kept], self.boxes)


def box_targets(
    marks: Annotations | None, labels: Sequence[str], shape: tuple[int, int], grid: CellGrid, spec: DecodeSpec
) -> BoxTargets:
    """Return the targets of one frame. shape: height and width of the map.

    The centre of a cell may lie in several boxes of a label, of which the smallest counts, as in FCOS
    (https://arxiv.org/abs/1904.01355). A box without a centre belongs to the nearest cell. A mask gives one box around
    each of its connected parts. There are no rows for a frame without annotations.
    """
    rows, columns = shape
    centres = cell_centres(grid, rows, columns)
    parts: list[tuple[Positions, int, Array, Array]] = []
    boxes = 0
    for number, label in enumerate(labels):
        edges = _edges(marks, label, spec)
        boxes += len(edges)
        owner = np.full((rows, columns), -1)
        for at in np.argsort(-_areas(edges), kind="stable"):  # smaller boxes replace larger ones
            owner[_inside(centres, edges[at])] = at
        cells = np.flatnonzero(owner.ravel() >= 0)
        of_box = owner.ravel()[cells]
        count = np.bincount(of_box, minlength=len(edges)) if len(cells) else np.zeros(0)
        weights = np.asarray(1 / np.sqrt(count[of_box]), np.float32) if len(cells) else np.zeros(0, np.float32)
        parts.append((cells, number, edges[of_box] if len(cells) else np.zeros((0, 4), np.float32), weights))
    return BoxTargets(
        np.concatenate([cells for cells, *_ in parts]),
        np.concatenate([np.full(len(cells), number) for cells, number, *_ in parts]),
        np.concatenate([edges for _, _, edges, _ in parts]),
        np.concatenate([weights for *_, weights in parts]),
        boxes,
    )


def _edges(marks: Annotations | None, label: str, spec: DecodeSpec) -> Array:
    """Return the boxes of a label in pixels of the model input, [n, 4]."""
    if marks is None or label not in marks.labels:
        return np.zeros((0, 4), np.float32)
    scale_x, scale_y = spec.width_px / marks.width_px, spec.height_px / marks.height_px
    found = [(box.left, box.top, box.right, box.bottom) for box in marks.rectangles(label)]
    return np.asarray(np.array(found, np.float32).reshape(-1, 4) * (scale_x, scale_y, scale_x, scale_y), np.float32)


def _areas(edges: Array) -> Array:
    return np.asarray((edges[:, 2] - edges[:, 0]) * (edges[:, 3] - edges[:, 1]), np.float32)


def _inside(centres: Array, box: Array) -> NDArray[np.bool_]:
    """Return which cells have their centre in a box, [h, w]; the nearest row or column if none has."""
    across, down = centres[0, :, 0], centres[:, 0, 1]
    return np.asarray(_covered(down, box[1], box[3])[:, None] & _covered(across, box[0], box[2])[None])


def _covered(positions: Array, low: float, high: float) -> NDArray[np.bool_]:
    inside = (positions >= low) & (positions <= high)
    if not inside.any():
        inside[int(np.abs(positions - (low + high) / 2).argmin())] = True
    return np.asarray(inside)
