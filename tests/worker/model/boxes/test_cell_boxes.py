import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stripwatch.worker.contracts.events import Box
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder, overlaps_with
from stripwatch.worker.model.bundle import CellGrid
from stripwatch.worker.model.heatmaps import BOXES_MAX, HeatmapDecoder

# 4x6 cells, 16 px apart, over an input of 64x96.
DECODER = CellBoxDecoder(0.5, 64, 96)
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float32]]


def cells(*predicted: tuple[int, int, tuple[float, ...], float]) -> tuple[Floats, Floats]:
    """Return scores and values of cells. predicted: row, column, edges, and the score of the cell."""
    scores, values = np.zeros((4, 6), np.float32), np.zeros((4, 6, 5), np.float32)
    for row, column, edges, score in predicted:
        scores[row, column] = score
        values[row, column] = (*edges, 1.0)
    return scores, values


def boxes(scores: Floats, values: Floats, width: int = 96, height: int = 64) -> list[Box]:
    return DECODER.boxes(scores, values, width, height, BOXES_MAX)


def test_a_box_is_the_predicted_one_and_may_be_larger_than_its_cells() -> None:
    assert boxes(*cells((1, 2, (8, 4, 72, 60), 0.9))) == [Box(8, 4, 64, 56)]


def test_boxes_are_scaled_to_pixels_of_the_frame() -> None:
    assert boxes(*cells((1, 2, (8, 4, 72, 60), 0.9)), width=192, height=256) == [Box(16, 16, 128, 224)]


def test_neighbouring_cells_of_one_defect_give_their_weighted_mean() -> None:
    predicted = cells((1, 2, (10, 10, 50, 50), 0.9), (1, 3, (20, 10, 60, 50), 0.6))
    assert boxes(*predicted) == [Box(14, 10, 40, 40)]


def test_distant_boxes_are_separate_and_the_most_certain_is_first() -> None:
    predicted = cells((0, 0, (0, 0, 20, 20), 0.6), (3, 5, (70, 40, 96, 64), 0.8))
    assert boxes(*predicted) == [Box(70, 40, 26, 24), Box(0, 0, 20, 20)]


def test_a_box_inside_a_better_one_that_it_hardly_fills_is_left_out_only_if_they_overlap_enough() -> None:
    large, part = (0.0, 0.0, 40.0, 40.0), (0.0, 0.0, 40.0, 12.0)  # overlap 0.3: the same defect, but not averaged
    assert boxes(*cells((1, 1, large, 0.9), (0, 0, part, 0.8))) == [Box(0, 0, 40, 40)]
    dot = (0.0, 0.0, 8.0, 8.0)  # overlap 0.04: another defect
    assert len(boxes(*cells((1, 1, large, 0.9), (0, 0, dot, 0.8)))) == 2


def test_the_quality_counts_as_much_as_the_score_of_the_cell() -> None:
    scores, values = cells((0, 0, (0, 0, 20, 20), 0.9), (3, 5, (70, 40, 96, 64), 0.8))
    values[0, 0, 4] = 0.5  # certainty 0.45, below the threshold
    assert boxes(scores, values) == [Box(70, 40, 26, 24)]


def test_the_most_certain_cell_gives_the_only_box_if_none_reaches_the_threshold() -> None:
    predicted = cells((0, 0, (0, 0, 20, 20), 0.2), (3, 5, (70, 40, 96, 64), 0.3))
    assert boxes(*predicted) == [Box(70, 40, 26, 24)]


def test_there_are_no_boxes_without_a_finite_positive_value() -> None:
    scores, values = cells((0, 0, (0, 0, 20, 20), 0.9))
    assert boxes(np.zeros_like(scores), values) == []
    values[2, 2, 0] = np.nan
    assert boxes(scores, values) == []


def test_predicted_boxes_replace_the_regions_of_the_heatmap_unless_they_are_not_finite() -> None:
    grid = CellGrid((7.5, 7.5), (16.0, 16.0))
    regions = HeatmapDecoder("place", grid, 0.5, 64, 96)
    decoder = HeatmapDecoder("place", grid, 0.5, 64, 96, DECODER)
    scores, values = cells((1, 2, (8, 4, 72, 60), 0.9))
    assert decoder.locate(scores, values, 96, 64) == [Box(8, 4, 64, 56)]
    assert decoder.locate(scores, None, 96, 64) == regions.boxes(scores, 96, 64)
    assert regions.locate(scores, values, 96, 64) == regions.boxes(scores, 96, 64)
    assert decoder.locate(scores, np.full_like(values, np.inf), 96, 64) == regions.boxes(scores, 96, 64)


@given(
    hnp.arrays(np.float32, (4, 6), elements=st.floats(0, 1, width=32)),
    hnp.arrays(np.float32, (4, 6, 5), elements=st.floats(0, 1, width=32)),
    st.integers(8, 5000),
    st.integers(8, 5000),
)
def test_boxes_are_inside_the_frame_and_their_number_is_limited(
    scores: Floats, values: Floats, width: int, height: int
) -> None:
    values[..., :4] *= (96, 64, 96, 64)
    found = boxes(
        scores,
        np.concatenate([np.sort(values[..., [0, 2]]), values[..., [1, 3]], values[..., 4:]], -1)[..., [0, 2, 1, 3, 4]],
        width,
        height,
    )
    assert len(found) <= BOXES_MAX
    for box in found:
        assert min(box.width, box.height) >= 1
        assert 0 <= box.x < box.x + box.width <= width
        assert 0 <= box.y < box.y + box.height <= height


def test_overlap_is_the_intersection_over_union() -> None:
    box = np.array([0, 0, 10, 10], np.float32)
    others = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]], np.float32)
    assert overlaps_with(others, box).tolist() == pytest.approx([1, 1 / 3, 0, 0])
