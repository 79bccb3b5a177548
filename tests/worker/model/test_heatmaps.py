import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stripwatch.worker.contracts.events import Box
from stripwatch.worker.model.bundle import CellGrid
from stripwatch.worker.model.heatmaps import BOXES_MAX, HeatmapDecoder

# 4x6 cells, 16 px apart, over an input of 64x96: the centre of the first cell is at 7.5 px.
GRID = CellGrid((7.5, 7.5), (16.0, 16.0))


def reader(**changes: object) -> HeatmapDecoder:
    settings = {"kind": "place", "grid": GRID, "threshold": 0.5, "height_px": 64, "width_px": 96} | changes
    return HeatmapDecoder(**settings)  # type: ignore[arg-type]


def heatmap(*sure: tuple[int, int]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    values = np.zeros((4, 6), np.float32)
    for place in sure:
        values[place] = 1
    return values


def test_enlarging_keeps_each_cell_at_its_centre() -> None:
    large = reader().enlarge(heatmap((1, 2)))
    assert large.shape == (64, 96)
    row, column = np.mean(np.nonzero(large == large.max()), axis=1)
    assert (row, column) == (pytest.approx(16 + 7.5, abs=0.5), pytest.approx(32 + 7.5, abs=0.5))
    unpadded = reader(grid=CellGrid((20.0, 30.0), (8.0, 8.0))).enlarge(heatmap((1, 2)))
    assert int(unpadded.argmax()) == 28 * 96 + 46


@given(
    hnp.arrays(np.float32, (4, 6), elements=st.floats(-100, 100, width=32)),
    st.tuples(st.floats(-10, 40), st.floats(-10, 40)),
    st.tuples(st.floats(4, 33), st.floats(4, 33)),
)
def test_enlarging_interpolates_as_opencv_does(
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    first_px: tuple[float, float],
    step_px: tuple[float, float],
) -> None:
    to_input = np.array([[step_px[1], 0, first_px[1]], [0, step_px[0], first_px[0]]])
    expected = cv2.warpAffine(values, to_input, (96, 64), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    spread = float(values.max() - values.min())
    found = reader(grid=CellGrid(first_px, step_px)).enlarge(values)
    assert np.abs(found - expected).max() <= spread / 16 + 1e-3  # warpAffine may round positions to 1/32 of a cell


@given(st.floats(0, 1, width=32), st.integers(1, 6), st.integers(1, 9))
def test_a_constant_activation_gives_one_box_of_the_whole_frame(value: float, height: int, width: int) -> None:
    grid = CellGrid((7.5, 4.5), (64 / height, 96 / width))
    boxes = reader(kind="activation", grid=grid).boxes(np.full((height, width), value, np.float32), 96, 64)
    assert boxes == [Box(0, 0, 96, 64)]


def test_an_infinite_cell_affects_only_its_neighbours() -> None:
    values = heatmap()
    values[1, 2] = np.inf
    with np.errstate(invalid="ignore"):
        large = reader().enlarge(values)
    rows, columns = np.nonzero(~np.isfinite(large))
    assert rows.max() < 2 * 16 + 8  # the centre of the next cell
    assert (columns.min(), columns.max()) == (16 + 8, 3 * 16 + 7)


def test_one_hot_cell_gives_a_box_of_about_its_size() -> None:
    (box,) = reader().boxes(heatmap((1, 2)), 96, 64)
    assert [box.x, box.y] == pytest.approx([32, 16], abs=1)
    assert [box.width, box.height] == pytest.approx([16, 16], abs=2)


def test_scales_boxes_to_pixels_of_the_frame() -> None:
    (small,) = reader().boxes(heatmap((1, 2), (1, 3)), 96, 64)
    (large,) = reader().boxes(heatmap((1, 2), (1, 3)), 192, 256)
    assert large == Box(2 * small.x, 4 * small.y, 2 * small.width, 4 * small.height)


def test_separate_regions_give_separate_boxes_best_first() -> None:
    values = heatmap((0, 0))
    values[3, 5] = 0.8
    first, second = reader().boxes(values, 96, 64)
    assert first.x < 8 < 80 < second.x
    everywhere = np.indices((16, 24)).sum(0) % 2 * np.indices((16, 24))[0] % 2
    many = reader(grid=CellGrid((1.5, 1.5), (4.0, 4.0))).boxes(everywhere.astype(np.float32), 96, 64)
    assert len(many) == BOXES_MAX


def test_boxes_the_peak_if_nothing_reaches_the_threshold() -> None:
    values = heatmap((2, 4)) * 0.3 + 0.01
    (box,) = reader().boxes(values, 96, 64)
    assert box.x <= 64 + 8 < box.x + box.width
    assert box.width < 32


def test_scales_activations_between_their_lowest_and_highest_value() -> None:
    values = heatmap((1, 2)) * 7 - 40
    assert reader(kind="activation").boxes(values, 96, 64) == reader().boxes(heatmap((1, 2)), 96, 64)
    assert reader(kind="activation").boxes(np.zeros((4, 6), np.float32), 96, 64) == [Box(0, 0, 96, 64)]


@given(
    hnp.arrays(np.float32, (4, 6), elements=st.floats(0, 1, width=32)),
    st.floats(0.05, 0.95),
    st.integers(8, 5000),
    st.integers(8, 5000),
    st.sampled_from(["place", "activation"]),
)
def test_there_is_always_a_box_inside_the_frame(
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]], threshold: float, width: int, height: int, kind: str
) -> None:
    found = reader(kind=kind, threshold=threshold).boxes(values, width, height)
    assert 1 <= len(found) <= BOXES_MAX
    for box in found:
        assert box.width >= 1
        assert box.height >= 1
        assert 0 <= box.x <= box.x + box.width <= width
        assert 0 <= box.y <= box.y + box.height <= height
