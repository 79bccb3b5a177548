from pathlib import Path

import pytest

from stripwatch.training.datasets.formats.marks import Shape
from stripwatch.training.datasets.formats.voc import read_voc_file
from stripwatch.worker.common.errors import DataError

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax></bndbox>"


def voc(box: str = BOX, size: str = "<width>10</width><height>20</height>") -> str:
    return f"<annotation><size>{size}</size><object><name>pits</name>{box}</object></annotation>"


def test_coordinates_count_from_1_and_include_the_last_pixel(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(voc())
    marks = read_voc_file(tmp_path, tmp_path / "a.xml")
    assert (marks.image, marks.width_px, marks.height_px) == ("a", 10, 20)
    assert marks.shapes == [Shape("pits", (0, 1, 10, 20))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "is not a VOC box file"),
        ("", "is not a VOC box file"),
        (voc(size=""), "has no size/width"),
        (voc(size="<width>0</width><height>0</height>"), "the image width of 0 is not a positive number of pixels"),
        (voc(size="<width>1e999</width><height>9</height>"), "the image width of inf is not a positive number"),
        (voc(box=""), "has no bndbox/xmin"),
        (voc(box=BOX.replace("10", "ten")), "could not convert"),
    ],
)
def test_names_a_malformed_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=rf"a\.xml.*{message}"):
        read_voc_file(tmp_path, tmp_path / "a.xml")
