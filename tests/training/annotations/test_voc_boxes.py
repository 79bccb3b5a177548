from pathlib import Path

import pytest

from stripwatch.training.annotations.voc_boxes import LabelledBox, read_box_file, read_boxes
from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax></bndbox>"


def voc(box: str = BOX, size: str = "<width>10</width><height>20</height>") -> str:
    return f"<annotation><size>{size}</size><object><name>pits</name>{box}</object></annotation>"


def test_coordinates_count_from_1_and_include_the_last_pixel(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(voc())
    assert read_box_file(tmp_path / "a.xml").boxes == [LabelledBox("pits", 0, 1, 10, 20)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("<annotation>", "is no VOC box file"),
        ("", "is no VOC box file"),
        (voc(size=""), "has no size/width"),
        (voc(box=""), "has no bndbox/xmin"),
        (voc(box=BOX.replace("10", "ten")), "could not convert"),
        (voc(box=BOX.replace("10", "11")), "a box of 'pits' is empty or lies outside 10x20"),
        (voc(box=BOX.replace("<xmin>1<", "<xmin>11<")), "is empty or lies outside"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=rf"a\.xml.*{says}"):
        read_box_file(tmp_path / "a.xml")


def test_boxes_without_an_image_and_images_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(voc())
    assert list(read_boxes(tmp_path, [Sample("x/a.jpg", ("pits",)), Sample("b.jpg", ())])) == ["x/a.jpg"]
    with pytest.raises(DataError, match=r"a\.xml has no image of its name"):
        read_boxes(tmp_path, [Sample("b.jpg", ())])
    with pytest.raises(DataError, match=r"x/a\.jpg and a\.png are two files of one name"):
        read_boxes(tmp_path, [Sample("x/a.jpg", ()), Sample("a.png", ())])


def test_all_boxes_of_neu_are_read(shared: Path) -> None:
    folder = shared / "data" / "neu-det"
    found = read_boxes(folder / "annotations", read_dataset(folder).samples)
    assert len(found) == 1560
    assert all(file.boxes for file in found.values())
    assert {(file.width_px, file.height_px) for file in found.values()} == {(200, 200)}
