from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation import colour_check
from stripwatch.training.preparation.colour_check import find_colour
from stripwatch.worker.images.colour import COLOUR_MIN
from stripwatch.worker.images.decode_spec import DecodeSpec

SPEC = DecodeSpec(8, 8)
GREY = np.repeat(np.arange(40 * 60, dtype=np.uint8).reshape(40, 60, 1), 3, axis=2)


def save(root: Path, **images: np.ndarray) -> DataSet:
    """Write images, "name" as PNG and "name_jpg" as JPEG, and return them as a data set."""
    names = []
    for key, pixels in images.items():
        name = key.replace("_jpg", ".jpg") if key.endswith("_jpg") else f"{key}.png"
        assert cv2.imwrite(str(root / name), pixels)
        names.append(name)
    return DataSet(root, [Sample(name, ("a",)) for name in names], ["a"], "folder")


def spotted(side_px: int = 12) -> np.ndarray:
    image = GREY.copy()
    image[10 : 10 + side_px, 10 : 10 + side_px] = (20, 60, 120)  # blue, green, red
    return image


def test_grey_images_stored_in_colour_have_no_colour(tmp_path: Path) -> None:
    dataset = save(tmp_path, first=GREY[..., 0], second_jpg=GREY, third=GREY)
    assert find_colour(dataset, SPEC, "auto") == ColourFacts("auto", 0, "first.png", COLOUR_MIN, 3, 3)
    assert find_colour(dataset, SPEC, "auto").text == "none of 3 images has colour"


def test_names_the_image_with_the_most_colour(tmp_path: Path) -> None:
    tinted = np.minimum(GREY, 200)
    tinted[..., 2] += 5
    found = find_colour(save(tmp_path, plain=GREY, tinted=tinted), SPEC, "auto")
    assert not found.is_coloured
    assert (
        found.text
        == "none of 2 images has colour (the most coloured is tinted.png with 5 of 255; 8 or more count as colour)"
    )


def test_one_image_with_a_small_spot_is_enough(tmp_path: Path) -> None:
    found = find_colour(save(tmp_path, plain=GREY, rust_jpg=spotted(), last=GREY), SPEC, "auto")
    assert (found.is_coloured, found.frame) == (True, "rust.jpg")
    assert found.text.startswith("rust.jpg has colour (")


def test_the_search_ends_at_a_coloured_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour_check, "_FILES_AT_ONCE", 2)
    found = find_colour(save(tmp_path, a=GREY, b=spotted(), c=GREY, d=GREY, e=GREY), SPEC, "auto")
    assert (found.frame, found.measured, found.images) == ("b.png", 2, 5)


def test_unreadable_images_are_left_to_the_check_that_reports_them(tmp_path: Path) -> None:
    dataset = save(tmp_path, good=GREY, bad=GREY)
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert find_colour(dataset, SPEC, "auto").measured == 1
    (tmp_path / "good.png").unlink()
    nothing = find_colour(dataset, SPEC, "auto")
    assert (nothing.frame, nothing.is_coloured) == (None, True)


def test_deep_images_are_measured_with_the_levels_of_the_fit(tmp_path: Path) -> None:
    dark = spotted().astype(np.uint16)  # 8 of 16 bits
    dataset = save(tmp_path, dark=dark)
    assert not find_colour(dataset, DecodeSpec(8, 8, bit_depth=16), "auto").is_coloured
    assert find_colour(dataset, DecodeSpec(8, 8, bit_depth=16), "auto", auto_levels=True).is_coloured
    deep = save(tmp_path, deep=GREY.astype(np.uint16)[..., 0] * 257)
    assert find_colour(deep, SPEC, "auto", auto_levels=True).largest == 0
