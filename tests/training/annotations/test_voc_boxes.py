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
    ("text", "message"),
    [
        ("<annotation>", "is not a VOC box file"),
        ("", "is not a VOC box file"),
        (voc(size=""), "has no size/width"),
        (voc(box=""), "has no bndbox/xmin"),
        (voc(box=BOX.replace("10", "ten")), "could not convert"),
        (voc(box=BOX.replace("10", "11")), "a box of 'pits' is empty or outside the image of 10x20"),
        (voc(box=BOX.replace("<xmin>1<", "<xmin>11<")), "is empty or outside"),
    ],
)
def test_names_a_malformed_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=rf"a\.xml.*{message}"):
        read_box_file(tmp_path / "a.xml")


def test_rejects_boxes_without_an_image_and_images_with_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(voc())
    assert list(read_boxes(tmp_path, [Sample("x/a.jpg", ("pits",)), Sample("b.jpg", ())])) == ["x/a.jpg"]
    with pytest.raises(DataError, match=r"a\.xml: the data set has no image named a"):
        read_boxes(tmp_path, [Sample("b.jpg", ())])
    with pytest.raises(DataError, match=r"x/a\.jpg and a\.png have the same name"):
        read_boxes(tmp_path, [Sample("x/a.jpg", ()), Sample("a.png", ())])


def test_reads_all_boxes_of_neu(shared: Path) -> None:
    folder = shared / "data" / "neu-det"
    found = read_boxes(folder / "annotations", read_dataset(folder).samples)
    assert len(found) == 1560
    assert all(file.boxes for file in found.values())
    assert {(file.width_px, file.height_px) for file in found.values()} == {(200, 200)}
