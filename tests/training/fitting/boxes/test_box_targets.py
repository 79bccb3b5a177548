import numpy as np
import pytest

from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.datasets.formats.rle_masks import encode_mask
from stripwatch.training.fitting.boxes.box_targets import BoxTargets, box_targets
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import CellGrid

pytestmark = pytest.mark.training

GRID = CellGrid((3.5, 3.5), (8.0, 8.0))  # 4x5 cells over 32x40 pixels; the centres are at 4, 12, 20, ...
SPEC = DecodeSpec(32, 40)


def targets(*boxes: tuple[str, int, int, int, int], width_px: int = 40, height_px: int = 32) -> BoxTargets:
    marks = Annotations(height_px, width_px, tuple(LabelledBox(*box) for box in boxes))
    return box_targets(marks, ["pits", "rust"], (4, 5), GRID, SPEC)


def test_cells_with_their_centre_in_a_box_predict_it() -> None:
    found = targets(("rust", 8, 0, 24, 16))
    assert found.cells.tolist() == [1, 2, 6, 7]
    assert found.labels.tolist() == [1, 1, 1, 1]
    assert found.edges.tolist() == [[8, 0, 24, 16]] * 4
    assert found.weights.tolist() == [0.5] * 4  # the root of four cells
    assert found.boxes == 1


def test_edges_are_in_pixels_of_the_model_input() -> None:
    assert targets(("pits", 20, 0, 60, 64), width_px=80, height_px=64).edges[0].tolist() == [10, 0, 30, 32]


def test_the_smaller_of_nested_boxes_counts_and_labels_do_not_compete() -> None:
    found = targets(("pits", 0, 0, 40, 32), ("pits", 8, 8, 16, 16), ("rust", 0, 0, 40, 32))
    inner = found.edges[(found.cells == 6) & (found.labels == 0)]
    assert inner.tolist() == [[8, 8, 16, 16]]
    assert (found.labels == 0).sum() == (found.labels == 1).sum() == 20
    assert found.boxes == 3


def test_a_box_between_centres_belongs_to_the_nearest_cell() -> None:
    found = targets(("pits", 13, 5, 15, 32))
    assert found.cells.tolist() == [6, 11, 16]  # column 1, rows with a centre below 5 px
    assert targets(("pits", 13, 5, 15, 7)).cells.tolist() == [1]


def test_a_mask_gives_a_box_around_each_part() -> None:
    mask = np.zeros((32, 40), bool)
    mask[0:8, 0:8] = mask[16:32, 24:40] = True
    marks = Annotations(32, 40, masks={"rust": encode_mask(mask)})
    found = box_targets(marks, ["pits", "rust"], (4, 5), GRID, SPEC)
    assert sorted({tuple(row) for row in found.edges.tolist()}) == [(0, 0, 8, 8), (24, 16, 40, 32)]
    assert found.boxes == 2


@pytest.mark.parametrize("marks", [None, Annotations(1, 1)])
def test_a_frame_without_boxes_has_no_targets(marks: Annotations | None) -> None:
    found = box_targets(marks, ["pits", "rust"], (4, 5), GRID, SPEC)
    assert (len(found.cells), found.edges.shape, found.boxes) == (0, (0, 4), 0)


def test_a_sample_keeps_rows_together() -> None:
    every = targets(("pits", 0, 0, 20, 16), ("rust", 20, 16, 40, 32))
    some = every.sample(5, np.random.default_rng(0))
    assert len(some.cells) == len(some.labels) == len(some.edges) == len(some.weights) == 5
    assert all((edges[0] == 0) == (label == 0) for edges, label in zip(some.edges, some.labels, strict=True))
    assert every.sample(100, np.random.default_rng(0)) is every
