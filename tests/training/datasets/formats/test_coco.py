import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripwatch.training.datasets.formats.coco import read_coco
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.problems import Problems

IMAGES = [{"id": 1, "file_name": "x/a.png", "width": 4, "height": 3}]
CATEGORIES = [{"id": 0, "name": "defects"}, {"id": 7, "name": "pits "}]
# A mask of 4x3 pixels. From the fourth count on, compressed counts are differences to the count before the last one.
COUNTS, COMPRESSED = [2, 3, 4, 1, 2], "234NN"


def read(root: Path, *annotations: dict[str, Any]) -> tuple[list[ImageMarks], list[str]]:
    path = root / "instances.json"
    path.write_text(json.dumps({"images": IMAGES, "categories": CATEGORIES, "annotations": annotations}))
    problems = Problems("coco")
    return list(read_coco(root, [path], problems)), problems.found


def annotation(**fields: Any) -> dict[str, Any]:
    return {"id": 5, "image_id": 1, "category_id": 7, "iscrowd": 0, "area": 1.0, **fields}


def test_reads_boxes_and_polygons(tmp_path: Path) -> None:
    boxed = annotation(bbox=[1, 0, 2, 3], segmentation=[])
    polygons = annotation(bbox=[1, 0, 2, 3], segmentation=[[0, 0, 2, 0, 2, 2]])
    (marks,), problems = read(tmp_path, boxed, polygons)
    assert (marks.image, marks.width_px, marks.height_px, problems) == ("x/a.png", 4, 3, [])
    assert marks.shapes == [Shape("pits", (1, 0, 3, 3)), Shape("pits", points=((0, 0), (2, 0), (2, 2)))]


@pytest.mark.parametrize("counts", [COUNTS, COMPRESSED])
def test_reads_masks_down_the_columns(tmp_path: Path, counts: Any) -> None:
    (marks,), problems = read(tmp_path, annotation(segmentation={"size": [3, 4], "counts": counts}))
    assert problems == []
    (shape,) = marks.shapes
    assert shape.runs is not None
    expected = np.zeros(12, bool)
    expected[2:5] = expected[9] = True
    np.testing.assert_array_equal(shape.runs.mask(), expected.reshape(4, 3).T)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_id": 3}, "annotation 5 has the image_id 3, which no image has"),
        ({"category_id": 3}, "annotation 5 has the category_id 3, which no category has"),
        ({}, "neither a segmentation nor a bbox"),
        ({"segmentation": [[0, 0, 1, 1]]}, "a polygon has 4 numbers"),
        ({"segmentation": {"size": [3, 4], "counts": [2, 3]}}, "the runs of its mask do not cover 4x3 pixels"),
        ({"segmentation": {"size": [4, 4], "counts": [16]}}, "its mask has 4x4 pixels, but its image has 4x3"),
        ({"segmentation": {"size": [3, 4], "counts": "~"}}, "are not compressed counts"),
        ({"segmentation": {"size": [3, 4], "counts": "P"}}, "end early"),
        ({"bbox": "1 2 3 4"}, "the annotation with the id 5 is not valid: Expected `array`"),
    ],
)
def test_names_an_invalid_annotation(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    (problem,) = read(tmp_path, annotation(**fields))[1]
    assert message in problem
    assert "instances.json" in problem


def read_content(root: Path, content: dict[str, Any]) -> tuple[list[ImageMarks], list[str]]:
    path = root / "instances.json"
    path.write_text(json.dumps(content))
    problems = Problems("coco")
    return list(read_coco(root, [path], problems)), problems.found


def test_names_all_entries_that_are_not_valid(tmp_path: Path) -> None:
    content = {
        "images": [*IMAGES, {"id": 2, "file_name": "b.png"}, {"id": 3, "width": 4, "height": 3}],
        "categories": [*CATEGORIES, {"name": "rust"}],
        "annotations": [
            annotation(bbox=["1", 2, 3, 4]),
            {"image_id": 1, "bbox": [1, 1, 2, 2]},
            annotation(image_id=2, bbox=[1, 1, 2, 2]),
        ],
    }
    marks, problems = read_content(tmp_path, content)
    assert [each.image for each in marks] == ["x/a.png"]
    texts = [problem.removeprefix(f"{tmp_path / 'instances.json'}: ") for problem in problems]
    assert texts == [
        "the category number 2 in the list is not valid: Object missing required field `id`",
        "the image with the id 3 is not valid: Object missing required field `file_name`",
        "b.png has no width and height in pixels; add them, or export the file again",
        "the annotation with the id 5 is not valid: Expected `float`, got `str` - at `$.bbox[0]`",
        "the annotation number 1 in the list is not valid: Object missing required field `category_id`",
    ]


def test_ids_may_be_text_in_one_list_and_numbers_in_another(tmp_path: Path) -> None:
    images = [{**IMAGES[0], "id": "1"}]
    categories = [{"id": "7", "name": "pits"}]
    content = {"images": images, "categories": categories, "annotations": [annotation(bbox=[1, 0, 2, 3])]}
    (marks,), problems = read_content(tmp_path, content)
    assert problems == []
    assert marks.shapes == [Shape("pits", (1, 0, 3, 3))]
