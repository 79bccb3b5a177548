from pathlib import Path

import pytest

from stripwatch.training.datasets.formats.masks.class_values import colour_value, find_class_values, value_text
from stripwatch.worker.common.errors import DataError


def test_reads_a_label_map_of_cvat(tmp_path: Path) -> None:
    text = "# label:color_rgb:parts:actions\nbackground:0,0,0::\npits:250,50,83::\nrust:7,7,7::\n"
    (tmp_path / "labelmap.txt").write_text(text)
    classes = find_class_values([tmp_path / "none", tmp_path])
    assert classes == {0: "", colour_value(250, 50, 83): "pits", 7: "rust"}


def test_reads_a_class_table_of_roboflow(tmp_path: Path) -> None:
    (tmp_path / "_classes.csv").write_text("Pixel Value, Class\n0, background\n1, pits\n")
    assert find_class_values([tmp_path]) == {0: "", 1: "pits"}


def test_labels_of_whole_images_are_not_classes_of_pixels(tmp_path: Path) -> None:
    (tmp_path / "_classes.csv").write_text("filename, pits, rust\na.jpg, 1, 0\n")
    assert find_class_values([tmp_path]) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labelmap.txt", "pits:1,2::\n", r"labelmap\.txt line 1 is not NAME:RED,GREEN,BLUE: 'pits:1,2::'"),
        ("labelmap.txt", "\ufffe", r"labelmap\.txt"),
        ("_classes.csv", "Pixel Value, Class\nx, pits\n", r"_classes\.csv line 2 is not VALUE, CLASS: 'x, pits'"),
    ],
)
def test_rejects_a_malformed_file(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        find_class_values([tmp_path])


def test_values_have_texts() -> None:
    assert (value_text(3), value_text(colour_value(250, 50, 83))) == ("3", "(250,50,83)")
