from pathlib import Path

import cv2
import numpy as np
import pytest

from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.annotations.reading import AnnotationSet, read_annotations
from stripwatch.training.datasets.dataset import DataSet, read_dataset
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from tests.training.annotations.exif_images import jpeg

WIDTH_PX, HEIGHT_PX = 16, 8


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    for name in ("pits_1", "pits_2", "rust_3"):
        picture(tmp_path / "images" / f"{name}.png")
    return read_dataset(tmp_path / "images")


def picture(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8))


def write_voc(
    path: Path, box: str = "2 3 4 5", label: str = "pits", size: tuple[int, int] = (WIDTH_PX, HEIGHT_PX)
) -> None:
    sides = zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True)
    corners = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<?xml version='1.0'?><annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>"
        f"<object><name>{label}</name><bndbox>{corners}</bndbox></object></annotation>"
    )


def read(data: DataSet, boxes_format: str = "auto") -> AnnotationSet:
    return read_annotations(data, data.root.parent / "boxes", boxes_format)


def test_reads_voc_files_in_subfolders_and_with_a_suffix_in_capitals(data: DataSet) -> None:
    boxes = data.root.parent / "boxes"
    write_voc(boxes / "day" / "pits_1.xml")
    write_voc(boxes / "rust_3.XML", label="rust")
    found = read(data)
    assert found.marks == {
        "pits_1.png": Annotations(HEIGHT_PX, WIDTH_PX, (LabelledBox("pits", 1, 2, 4, 5),)),
        "rust_3.png": Annotations(HEIGHT_PX, WIDTH_PX, (LabelledBox("rust", 1, 2, 4, 5),)),
    }
    assert found.format == "voc"
    assert found.notes == [
        "annotations of 2 of 3 images from 2 voc files, such as day/pits_1.xml",
        "note: images that are not annotated: 1 (pits_2.png)",
    ]
    assert len(read_annotations(data, boxes, clean_label="pits").notes) == 1


def test_reports_the_problems_of_all_files_at_once(data: DataSet) -> None:
    boxes = data.root.parent / "boxes"
    write_voc(boxes / "pits_1.xml", size=(0, 0))
    write_voc(boxes / "pits_2.xml", label="pist", box="1 1 1e999 4")
    write_voc(boxes / "rust_3.xml", label="rust", box="1 1 nan 4")
    write_voc(boxes / "rust_4.xml", label="rust")
    with pytest.raises(DataError) as caught:
        read(data)
    message = str(caught.value)
    assert message.startswith(f"5 problems in {boxes}: ")
    for part in (
        "pits_1.xml is not a VOC box file: the image width of 0 is not",
        "pits_2.xml: a box of 'pist' is not finite",
        "rust_3.xml: a box of 'rust' is not finite",
        "rust_4.xml: the data set has no image named rust_4",
        "pits_2.xml has the unknown label 'pist'; did you mean 'pits'?",
    ):
        assert part in message


def test_clips_boxes_by_one_pixel_and_says_so(data: DataSet) -> None:
    write_voc(data.root.parent / "boxes" / "pits_1.xml", box=f"2 3 {WIDTH_PX + 1} {HEIGHT_PX}")
    found = read(data)
    assert found.marks["pits_1.png"].boxes == (LabelledBox("pits", 1, 2, WIDTH_PX, HEIGHT_PX),)
    assert any("by up to one pixel and were clipped: 1 (pits_1.png)" in note for note in found.notes)
    write_voc(data.root.parent / "boxes" / "pits_1.xml", box=f"2 3 {WIDTH_PX + 2} {HEIGHT_PX}")
    with pytest.raises(DataError, match=r"pits_1\.xml: a box of 'pits' is outside the image of 16x8 pixels"):
        read(data)


def test_labels_that_are_merged_in_the_data_set_are_merged_in_boxes(tmp_path: Path) -> None:
    for name in ("pits/1.png", "Pits/2.png", "rust/3.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        picture(tmp_path / "images" / name)
    write_voc(tmp_path / "boxes" / "2.xml", label="PITS")
    merged = read_dataset(tmp_path / "images", merge_labels=True)
    assert read(merged).marks["Pits/2.png"].labels <= set(merged.labels)
    with pytest.raises(DataError, match="unknown label 'PITS'; did you mean"):
        read(read_dataset(tmp_path / "images"))


@pytest.mark.parametrize(
    ("orientation", "size", "message"),
    [
        (6, (HEIGHT_PX, WIDTH_PX), r"8x16 pixels, but the image has 16x8, and 8x16 only after its EXIF rotation"),
        (1, (HEIGHT_PX, WIDTH_PX), r"16x8 \(EXIF orientation 1\): width and height are exchanged"),
        (1, (32, 16), "32x16 pixels, but the image has 16x8; it was resized or replaced"),
    ],
)
def test_compares_the_size_with_the_image(
    tmp_path: Path, orientation: int, size: tuple[int, int], message: str
) -> None:
    data = photographs(tmp_path, orientation)
    write_voc(tmp_path / "boxes" / "pits_1.xml", size=size)
    with pytest.raises(DataError, match=message):
        read(data)


def photographs(root: Path, orientation: int) -> DataSet:
    (root / "images").mkdir()
    for name in ("pits_1.jpg", "rust_2.jpg"):
        (root / "images" / name).write_bytes(jpeg(orientation))
    return read_dataset(root / "images")


def test_boxes_of_the_stored_size_are_used_despite_a_rotation(tmp_path: Path) -> None:
    data = photographs(tmp_path, 6)
    write_voc(tmp_path / "boxes" / "pits_1.xml")
    assert not any("warning" in note for note in read(data).notes)


def test_warns_of_a_rotation_that_the_size_does_not_show(tmp_path: Path) -> None:
    data = photographs(tmp_path, 3)
    write_voc(tmp_path / "boxes" / "pits_1.xml")
    assert any(note.startswith("warning: annotated images with an EXIF rotation") for note in read(data).notes)


def test_shares_of_a_rotated_image_are_ambiguous(tmp_path: Path) -> None:
    data = photographs(tmp_path, 6)
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "classes.txt").write_text("pits\nrust\n")
    (tmp_path / "boxes" / "pits_1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match="the image has EXIF orientation 6, and the annotation does not state an image"):
        read(data)


def test_rejects_two_annotations_of_one_image(data: DataSet) -> None:
    write_voc(data.root.parent / "boxes" / "a" / "pits_1.xml")
    write_voc(data.root.parent / "boxes" / "b" / "pits_1.xml")
    with pytest.raises(DataError, match=r"b/pits_1\.xml: pits_1\.png already has annotations in .*a/pits_1\.xml"):
        read(data)


def write_empty(boxes: Path) -> None:
    boxes.mkdir()


def write_notes(boxes: Path) -> None:
    boxes.mkdir()
    (boxes / "notes.pdf").touch()
    (boxes / "pits_1.txt").write_text("a pit\n")


def write_two_formats(boxes: Path) -> None:
    write_voc(boxes / "pits_1.xml")
    (boxes / "pits_1.txt").write_text("0 0.5 0.5 0.5 0.5\n")


def write_others(boxes: Path) -> None:
    boxes.mkdir()
    (boxes / "classes.txt").write_text("pits\n")
    (boxes / "other.txt").write_text("0 0.5 0.5 0.5 0.5\n")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_empty, r"boxes has no annotations that can be read \(voc, .*\); it contains no files"),
        (write_notes, r"it contains 1 file of type \.\w+, 1 file of type"),
        (
            write_two_formats,
            r"several formats: 1 voc file, such as pits_1\.xml; 1 yolo file, such as pits_1\.txt\. Choose",
        ),
        (
            write_others,
            r"no annotation for any of the 3 images\. It contains 1 yolo file, .* such as other; the images of",
        ),
    ],
)
def test_refuses_a_folder_without_usable_annotations(data: DataSet, write: object, message: str) -> None:
    assert callable(write)
    write(data.root.parent / "boxes")
    with pytest.raises(DataError, match=message):
        read(data)


def test_the_format_can_be_chosen(data: DataSet) -> None:
    write_two_formats(data.root.parent / "boxes")
    assert read(data, "voc").format == "voc"
    with pytest.raises(SettingsError, match="--boxes-format 'pascal' is unknown; choose from auto, voc"):
        read(data, "pascal")
    with pytest.raises(DataError, match="has no coco annotations"):
        read(data, "coco")


def test_a_path_that_is_too_long_is_an_input_error(data: DataSet) -> None:
    with pytest.raises(InputError, match="File name too long"):
        read_annotations(data, data.root / ("a" * 300))


def test_polygons_cover_the_pixels_inside(data: DataSet) -> None:
    boxes = data.root.parent / "boxes"
    boxes.mkdir()
    (boxes / "data.yaml").write_text("names: [pits, rust]\n")
    (boxes / "pits_1.txt").write_text("0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75\n")
    mask = read(data).marks["pits_1.png"].mask("pits")
    expected = np.zeros((HEIGHT_PX, WIDTH_PX), bool)
    expected[2:6, 4:12] = True
    np.testing.assert_array_equal(mask, expected)


def test_reads_all_boxes_of_neu(shared: Path) -> None:
    folder = shared / "data" / "neu-det"
    found = read_annotations(read_dataset(folder), folder / "annotations")
    assert len(found.marks) == 1560
    assert all(marks.boxes for marks in found.marks.values())
    assert sum(len(marks.boxes) for marks in found.marks.values()) == 3619
    assert {(marks.width_px, marks.height_px) for marks in found.marks.values()} == {(200, 200)}
