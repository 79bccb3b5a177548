"""Damaged, hostile and odd files end with marks or with a message that names the file, never with another error."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripwatch.training.annotations.reading import AnnotationSet, read_annotations
from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.worker.common.errors import StripwatchError

SIDE_PX = 24
REGION = {"type": "rectanglelabels", "original_width": SIDE_PX, "original_height": SIDE_PX, "image_rotation": 0}
BOX = {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["pits"]}
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "pits_1.png", "width": SIDE_PX, "height": SIDE_PX}],
    "categories": [{"id": 7, "name": "pits"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [1, 2, 3, 4]}],
}
VOC = (
    "<annotation><size><width>24</width><height>24</height></size><object><name>pits</name><bndbox><xmin>1</xmin>"
    "<ymin>2</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>"
)
CVAT = (
    '<annotations><image name="pits_1.png" width="24" height="24"><box label="pits" xtl="1" ytl="2" xbr="5" ybr="6"/>'
    "</image></annotations>"
)
LABELME = {
    "imagePath": "pits_1.png",
    "imageWidth": SIDE_PX,
    "imageHeight": SIDE_PX,
    "shapes": [{"label": "pits", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}],
}
TRUTH = {
    "file": "pits_1.png",
    "label": "pits",
    "width_px": SIDE_PX,
    "height_px": SIDE_PX,
    "boxes": [{"x": 1, "y": 2, "width": 3, "height": 4}],
}
FILES = {
    "pits_1.xml": VOC,
    "annotations.xml": CVAT,
    "coco.json": json.dumps(COCO),
    "tasks.json": json.dumps(
        [{"id": 1, "data": {"image": "pits_1.png"}, "annotations": [{"result": [{**REGION, "value": BOX}]}]}]
    ),
    "pits_1.json": json.dumps(LABELME),
    "truth.jsonl": json.dumps(TRUTH),
    "pits_1.txt": "0 0.5 0.5 0.25 0.25\n",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    for name in ("pits_1", "pits_2", "rust_3"):
        (root / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(root / "images" / f"{name}.png"), np.zeros((SIDE_PX, SIDE_PX), np.uint8))
    return root


def read(data: Path, name: str, content: bytes) -> AnnotationSet | str:
    """Return the annotations of a folder with this file, or the text of the error."""
    folder = data / "boxes"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    (folder / name).write_bytes(content)
    if name.endswith(".txt"):
        (folder / "classes.txt").write_text("pits\nrust\n")
    try:
        return read_annotations(read_dataset(data / "images"), folder)
    except StripwatchError as error:
        return str(error)


def error_of(data: Path, name: str, content: bytes) -> str:
    found = read(data, name, content)
    assert isinstance(found, str), found
    return found


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_valid_with_and_without_a_byte_order_mark(data: Path, name: str) -> None:
    for mark in (b"", b"\xef\xbb\xbf"):
        found = read(data, name, mark + FILES[name].encode())
        assert isinstance(found, AnnotationSet), found
        assert list(found.marks) == ["pits_1.png"]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 400), change=st.tuples(st.integers(0, 400), st.binary(max_size=4)))
def test_damaged_files_end_with_marks_or_a_message(data: Path, name: str, cut: int, change: tuple[int, bytes]) -> None:
    content = FILES[name].encode()
    at, inserted = change
    read(data, name, content[:cut])
    read(data, name, content[:at] + inserted + content[at + len(inserted) :])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp1252"])
def test_other_encodings_are_named_or_read(data: Path, name: str, encoding: str) -> None:
    text = FILES[name] if encoding != "cp1252" else FILES[name].replace("pits", "pit\u00e9")
    found = read(data, name, text.encode(encoding))
    if isinstance(found, AnnotationSet):  # XML states its encoding; numbers are the same in cp1252
        assert list(found.marks) == ["pits_1.png"]


@pytest.mark.parametrize("name", ["pits_1.xml", "coco.json", "truth.jsonl", "annotations.xml"])
def test_an_empty_file_is_an_error(data: Path, name: str) -> None:
    assert name in error_of(data, name, b"")


DEEP = 100_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("coco.json", b"[" * DEEP + b"]" * DEEP),
        ("coco.json", b'{"a":' * DEEP + b"1" + b"}" * DEEP),
        ("pits_1.xml", b"<annotation>" + b"<a>" * DEEP + b"</a>" * DEEP + b"</annotation>"),
        ("truth.jsonl", b'{"file":' * DEEP),
    ],
)
def test_deep_nesting_is_an_error(data: Path, name: str, content: bytes) -> None:
    assert name in error_of(data, name, content)


def test_entities_that_multiply_are_an_error(data: Path) -> None:
    entities = "".join(f'<!ENTITY a{at} "{f"&a{at - 1};" * 10}">' for at in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "pits">{entities}]>' + VOC.replace("<name>pits", "<name>&a11;")
    assert "pits_1.xml is not a VOC box file" in error_of(data, "pits_1.xml", bomb.encode())


def test_files_outside_are_not_read_by_entities(data: Path) -> None:
    (data / "secret").write_text("pits")
    text = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{data}/secret">]>' + VOC.replace("<name>pits", "<name>&s;")
    assert "pits_1.xml is not a VOC box file" in error_of(data, "pits_1.xml", text.encode())


def changed(change: Callable[[dict[str, Any]], None]) -> bytes:
    coco = json.loads(json.dumps(COCO))
    change(coco)
    return json.dumps(coco).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (changed(lambda c: c["annotations"][0].update(bbox=[1, 2, -3, 4])), "a box of 'pits' is empty"),
        (changed(lambda c: c["annotations"][0].update(bbox=[1, 2, 1e300, 4])), "is outside the image of 24x24"),
        (changed(lambda c: c["annotations"][0].update(bbox=[1, 2, float("nan"), 4])), "is not valid JSON"),
        (b'{"images": [], "categories": [], "annotations": [{"bbox": [1e999]}]}', "coco.json is not"),
        (changed(lambda c: c["images"].append(c["images"][0])), "two images have the id 1; give each its own"),
        (changed(lambda c: c["categories"].append({"id": 7, "name": "rust"})), "two categories have the id 7"),
        (changed(lambda c: c["images"][0].pop("width")), "has no width and height in pixels; add them"),
        (changed(lambda c: c["images"][0].update(width=-24)), "the image width of -24 is not a positive"),
        (changed(lambda c: c["images"][0].update(width=10**400)), "is not"),
        (changed(lambda c: c["annotations"][0].update(bbox=[], keypoints=[1, 2, 2])), "it has only keypoints"),
        (changed(lambda c: c["annotations"][0].update(bbox=[])), "neither a segmentation nor a bbox"),
        (changed(lambda c: c["annotations"][0].update(category_id=8)), "category_id 8, which no category has"),
    ],
)
def test_wrong_values_of_coco_are_named(data: Path, content: bytes, message: str) -> None:
    assert message in error_of(data, "coco.json", content)


def task(**changes: Any) -> bytes:
    region = {**REGION, "value": BOX}
    return json.dumps(
        [{"id": 1, "data": {"image": "pits_1.png"}, "annotations": [{"result": [region]}], **changes}]
    ).encode()


@pytest.mark.parametrize(
    "content",
    [
        task(data={"image": 5}),
        task(data={}),
        task(annotations=[5]),
        task(annotations=[{"result": None}]),
        task(annotations=[{"result": [{"type": None}]}]),
        task(annotations=[{"result": [{"type": "choices", "value": {"choices": None}}]}]),
        task(annotations=[{"result": [{**REGION, "value": {**BOX, "x": "ten"}}]}]),
        task(annotations=[{"result": [{**REGION, "original_width": 1e308, "value": BOX}]}]),
        task(annotations=[{"result": [{**REGION, "value": {**BOX, "x": 1e308, "rotation": 1e308}}]}]),
        task(annotations=[{"result": [{**REGION, "original_width": 10**6, "original_height": 10**6, "value": BOX}]}]),
    ],
)
def test_wrong_values_of_label_studio_are_named(data: Path, content: bytes) -> None:
    assert "tasks.json: task 1" in error_of(data, "tasks.json", content)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 -0.25 0.25", "is empty"),
        ("0 0.5 0.5 nan 0.25", "is not finite"),
        ("0 0.5 0.5 1e999 0.25", "is not finite"),
        ("9 0.5 0.5 0.25 0.25", "class 9 has no name"),
        (f"{'9' * 400} 0.5 0.5 0.25 0.25", "is not a YOLO annotation"),
        ("0 0.5 0.5 0.25 0.25 0.9", "it has a sixth number"),
        ("0 100 100 40 40", "is outside the image"),
    ],
)
def test_wrong_values_of_yolo_are_named(data: Path, line: str, message: str) -> None:
    text = error_of(data, "pits_1.txt", f"{line}\n".encode())
    assert message in text
    assert "pits_1.txt" in text


@pytest.mark.parametrize(
    "name",
    [
        "C:\\data\\day 1\\pits_1.png",
        "/home/other/data/pits_1.png",
        "PITS_1.PNG",
        "./pits_1.png",
        "pits_1.bmp",
        "pits%5F1.png",
    ],
)
def test_names_of_other_machines_find_the_image(data: Path, name: str) -> None:
    found = read(data, "coco.json", changed(lambda c: c["images"][0].update(file_name=name)))
    assert isinstance(found, AnnotationSet), found
    assert list(found.marks) == ["pits_1.png"]


def test_links_in_a_circle_end(data: Path) -> None:
    folder = data / "linked"
    folder.mkdir(exist_ok=True)
    (folder / "pits_1.xml").write_text(VOC)
    for link, target in (("again", folder), ("self.xml", folder / "self.xml")):
        if not os.path.lexists(folder / link):
            (folder / link).symlink_to(target)
    assert list(read_annotations(read_dataset(data / "images"), folder).marks) == ["pits_1.png"]
