from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.datasets.formats.png_masks import read_mask, read_masks
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.errors import DataError

INSIDE = np.zeros((20, 30), bool)
INSIDE[5:15, 8:24] = True


def written(path: Path, pixels: np.ndarray) -> Path:
    cv2.imwrite(str(path), pixels)
    return path


@pytest.mark.parametrize("value", [1, 37, 255])
def test_any_value_but_0_is_inside(tmp_path: Path, value: int) -> None:
    np.testing.assert_array_equal(read_mask(written(tmp_path / "1.png", INSIDE.astype(np.uint8) * value)), INSIDE)


def test_one_colour_on_black_and_one_on_transparent_are_masks(tmp_path: Path) -> None:
    colour = INSIDE[..., None] * np.array([83, 50, 250], np.uint8)
    np.testing.assert_array_equal(read_mask(written(tmp_path / "1.png", colour)), INSIDE)
    layer = np.full((20, 30, 4), 255, np.uint8)
    layer[..., 3] = INSIDE * 255
    np.testing.assert_array_equal(read_mask(written(tmp_path / "2.png", layer)), INSIDE)


@pytest.mark.parametrize(("colour", "alpha"), [((0, 0, 0), 255), ((255, 255, 255), 0)])
def test_a_black_or_transparent_mask_of_one_colour_is_empty(
    tmp_path: Path, colour: tuple[int, int, int], alpha: int
) -> None:
    assert not read_mask(written(tmp_path / "1.png", np.full((20, 30, 4), (*colour, alpha), np.uint8))).any()


@pytest.mark.parametrize("pixels", [np.full((20, 30), 255, np.uint8), np.full((20, 30, 4), 255, np.uint8)])
def test_a_mask_without_background_is_refused(tmp_path: Path, pixels: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"1\.png has no background, since every pixel has the value 255"):
        read_mask(written(tmp_path / "1.png", pixels))


def test_smoothed_edges_are_cut_at_half(tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(INSIDE.astype(np.uint8) * 255, (3, 3), 0)
    np.testing.assert_array_equal(read_mask(written(tmp_path / "1.png", smooth)), INSIDE)


def three_values() -> np.ndarray:
    pixels = INSIDE.astype(np.uint8)
    pixels[8:12, 12:20] = 2
    return pixels


def two_colours() -> np.ndarray:
    pixels = np.asarray(INSIDE[..., None] * np.array([0, 0, 255], np.uint8))
    pixels[8:12, 12:20] = (255, 0, 0)
    return pixels


def no_background() -> np.ndarray:
    return np.asarray(INSIDE.astype(np.uint8) + 1)


@pytest.mark.parametrize(
    ("pixels", "values"),
    [(three_values(), "0, 1, 2"), (two_colours(), r"0, \(0,0,255\), \(255,0,0\)"), (no_background(), "1, 2")],
)
def test_several_classes_without_names_are_rejected(tmp_path: Path, pixels: np.ndarray, values: str) -> None:
    path = written(tmp_path / "1.png", pixels)
    with pytest.raises(DataError, match=rf"1\.png has . values, such as {values}; .* add labelmap\.txt or _classes"):
        read_mask(path)


def test_named_values_are_classes(tmp_path: Path) -> None:
    (tmp_path / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, pits\n2, rust\n")
    path = written(tmp_path / "1_mask.png", three_values())
    (marks,) = read_masks(tmp_path, [path], Problems("masks"))
    found = {shape.label: shape.runs.mask() for shape in marks.shapes if shape.runs}
    assert {label: int(mask.sum()) for label, mask in found.items()} == {"pits": 128, "rust": 32}
    assert marks.image == "1"


def test_a_value_without_a_name_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\npits:255,0,0::\n")
    problems = Problems("masks")
    assert not list(read_masks(tmp_path, [written(tmp_path / "1.png", two_colours())], problems))
    (problem,) = problems.found
    assert "1.png has the value (0,0,255), which has no class; known: (255,0,0) pits" in problem
