import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripwatch.training.datasets.formats.label_studio import image_name, is_label_studio, read_label_studio
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.problems import Problems
from tests.training.datasets.formats.masks.brush_masks import FIVE_OF_TWELVE

RECTANGLE = {"x": 25, "y": 50, "width": 50, "height": 25, "rotation": 0, "rectanglelabels": ["pits"]}


def result(value: dict[str, Any], kind: str = "rectanglelabels", **fields: Any) -> dict[str, Any]:
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    return {"type": kind, "value": value, **size, **fields}


def task(*annotations: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    found = [{"id": at, "was_cancelled": False, "result": results} for at, results in enumerate(annotations)]
    return {"id": 3, "data": {"image": "/data/upload/1/0a1b2c3d-pits_1.png"}, "annotations": found, **fields}


def read(root: Path, *tasks: dict[str, Any]) -> tuple[list[ImageMarks], list[str]]:
    path = root / "export.json"
    path.write_text(json.dumps(tasks))
    problems = Problems("export")
    return list(read_label_studio(root, [path], problems)), problems.found


def test_reads_rectangles_and_polygons_as_shares_of_the_image(tmp_path: Path) -> None:
    polygon = {"points": [[0, 0], [50, 0], [50, 100]], "polygonlabels": ["rust"]}
    (marks,), problems = read(tmp_path, task([result(RECTANGLE), result(polygon, "polygonlabels")]))
    assert (marks.image, marks.width_px, marks.height_px, problems) == ("pits_1.png", 200, 100, [])
    assert marks.shapes == [Shape("pits", (50, 50, 150, 75)), Shape("rust", points=((0, 0), (100, 0), (100, 100)))]


def test_reads_json_min(tmp_path: Path) -> None:
    item = {**RECTANGLE, "original_width": 200, "original_height": 100}
    (marks,), problems = read(tmp_path, {"id": 3, "image": "/a/pits_1.png", "annotator": 1, "label": [item]})
    assert (marks.image, problems) == ("a/pits_1.png", [])
    assert marks.shapes == [Shape("pits", (50, 50, 150, 75))]


def test_json_min_with_choices_only_is_rejected(tmp_path: Path) -> None:
    tasks = ({"id": at, "image": f"/a/pits_{at}.png", "annotator": 1, "choice": "pits"} for at in range(2))
    marks, (problem,) = read(tmp_path, *tasks)
    assert (marks, "is a JSON-MIN export without any region" in problem) == ([], True)


def test_a_rotated_rectangle_is_a_polygon(tmp_path: Path) -> None:
    (marks,), _ = read(tmp_path, task([result({**RECTANGLE, "rotation": 90})]))
    points = [(round(x), round(y)) for x, y in marks.shapes[0].points]
    assert points == [(50, 50), (50, 150), (25, 150), (25, 50)]


def test_reads_brush_masks_and_ellipses(tmp_path: Path) -> None:
    size = {"original_width": 12, "original_height": 1}
    brush = result({"format": "rle", "rle": FIVE_OF_TWELVE, "brushlabels": ["pits"]}, "brushlabels", **size)
    round_ = result({"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["rust"]}, "ellipselabels")
    (marks,), problems = read(tmp_path, task([brush]))
    assert problems == []
    assert marks.shapes[0].runs is not None
    assert marks.shapes[0].runs.mask().tolist() == [[True] * 5 + [False] * 7]
    (marks,), _ = read(tmp_path, task([round_]))
    xs, ys = np.array(marks.shapes[0].points).T
    np.testing.assert_allclose([xs.min(), xs.max(), ys.min(), ys.max()], [80, 120, 30, 70])


def test_a_label_may_be_given_apart_from_the_outline(tmp_path: Path) -> None:
    place = {key: value for key, value in RECTANGLE.items() if key != "rectanglelabels"}
    pair = [result(place, "rectangle", id="a"), result({**place, "labels": ["pits"]}, "labels", id="a")]
    (marks,), problems = read(tmp_path, task(pair))
    assert (marks.shapes, problems) == ([Shape("pits", (50, 50, 150, 75))], [])


def test_choices_are_labels_of_the_image(tmp_path: Path) -> None:
    (marks,), problems = read(tmp_path, task([result({"choices": ["rust"]}, "choices")]))
    assert (marks.tags, marks.shapes, problems) == (["rust"], [], [])


def test_tasks_without_annotations_are_not_used_and_empty_ones_are_clean(tmp_path: Path) -> None:
    (marks,), problems = read(tmp_path, task(), task([], id=4))
    assert (marks.shapes, problems) == ([], [])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (task([result(RECTANGLE)], [result(RECTANGLE)]), "it has 2 annotations; keep one"),
        (
            task([result({}, "keypointlabels")]),
            "a result of type 'keypointlabels', which has no extent",
        ),
        (
            task([result({}, "bitmasklabels")]),
            "a result of type 'bitmasklabels', which has no extent",
        ),
        (task([result({"brushlabels": ["pits"]}, "brushlabels")]), "it has no 'rle'"),
        (task([result(RECTANGLE, "rectangle", id="a")]), "a rectangle has no label; give it one in Label Studio"),
        (task([result(RECTANGLE, image_rotation=90)]), "the image was rotated by 90 degrees in Label Studio"),
        (task([result({**RECTANGLE, "rectanglelabels": []})]), "a region has 0 labels"),
        (
            task([result({"points": [[1, 1], [2, 2]], "polygonlabels": ["pits"]}, "polygonlabels")]),
            "a polygon has 2 points; it needs at least three",
        ),
        (task([result(RECTANGLE, original_width=0)]), "the image width of 0 is not a positive"),
    ],
)
def test_names_a_task_that_cannot_be_used(tmp_path: Path, bad: dict[str, Any], message: str) -> None:
    (problem,) = read(tmp_path, bad)[1]
    assert "export.json: task 3 is not valid" in problem
    assert message in problem


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("/data/upload/1/0a1b2c3d-pits_1.png", "pits_1.png"),
        ("/data/local-files/?d=day%201/pits_1.png", "day 1/pits_1.png"),
        ("s3://bucket/day/0a1b2c3d-1.png", "day/0a1b2c3d-1.png"),
        ("https://host/day/pits%201.png?token=x", "day/pits 1.png"),
        ("pits_1.png", "pits_1.png"),
    ],
)
def test_the_image_name_in_an_address(url: str, name: str) -> None:
    assert image_name(url) == name


@pytest.mark.parametrize("content", [[], {}, [1], [{"id": 1}], [{"image": "a.png"}]])
def test_other_json_is_not_an_export(content: Any) -> None:
    assert not is_label_studio(content)
