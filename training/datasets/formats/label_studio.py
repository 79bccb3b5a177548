"""Label Studio: a JSON export of tasks with rectangles, polygons, ellipses and brush masks.

Both "JSON" and "JSON-MIN" are read (https://labelstud.io/guide/export.html). Coordinates are percentages of the image,
and a rectangle is rotated about its first corner (https://labelstud.io/guide/task_format.html). A task without
annotations has not been labelled and is not used; a task with an empty annotation is clean. Choices are labels of the
whole image.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from stripwatch.training.datasets.formats.json_files import load_json
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, check_pixels, checked_side
from stripwatch.training.datasets.formats.masks.brush_rle import decode_brush
from stripwatch.training.datasets.formats.outlines import ellipse, rectangle, rotated
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import encode_mask
from stripwatch.worker.common.errors import DataError

_OUTLINES = ("rectangle", "polygon", "ellipse", "brush")
# Answers about the whole image, and connections between regions.
_OTHERS = ("textarea", "rating", "number", "datetime", "pairwise", "ranker", "relation", "taxonomy")
_LABELS = "labels"
_CHOICES = "choices"
# Label Studio adds eight hexadecimal digits in front of the name of an uploaded file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")


def is_label_studio(content: Any) -> bool:
    """Return whether decoded JSON is an export of Label Studio."""
    return isinstance(content, list) and bool(content) and all(_is_task(task) for task in content)


def _is_task(task: Any) -> bool:
    if not isinstance(task, dict):
        return False
    return ("annotations" in task and isinstance(task.get("data"), dict)) or {"image", "annotator"} <= task.keys()


def read_label_studio(_: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read exports of Label Studio."""
    for path in files:
        try:
            tasks = load_json(path)
            if not is_label_studio(tasks):
                raise DataError(f"{path} is not a JSON export of Label Studio")
        except DataError as error:
            problems.add(str(error))
            continue
        if all("annotations" not in task and not regions_of(task) for task in tasks):
            problems.add(
                f"{path} is a JSON-MIN export without any region, which would make all its images clean; "
                "choices are read from an export as JSON"
            )
            continue
        for task in tasks:
            where = f"{path}: task {task.get('id')}"
            try:
                marks = _read_task(task, where)
            except KeyError as error:
                problems.add(f"{where} is not valid: it has no {error}")
                continue
            except StopIteration:
                problems.add(f"{where} is not valid: its data name no image")
                continue
            except (ValueError, TypeError, AttributeError, OverflowError) as error:
                problems.add(f"{where} is not valid: {error}")
                continue
            if marks is not None:
                yield marks


def _read_task(task: dict[str, Any], where: str) -> ImageMarks | None:
    if "annotations" not in task:
        return marks_of(task["image"], regions_of(task), where)
    done = [each for each in task["annotations"] if not each.get("was_cancelled")]
    if not done:
        return None
    if len(done) > 1:
        raise ValueError(f"it has {len(done)} annotations; keep one of them in Label Studio")
    return marks_of(image_of(task["data"]), done[0]["result"], where)


def regions_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the regions of a task in a JSON-MIN export, in the structure of the full export."""
    return [
        _spread(item) for value in task.values() if isinstance(value, list) for item in value if isinstance(item, dict)
    ]


def _spread(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item of JSON-MIN in the structure of the full export."""
    kind = next((key for key in item if key == _LABELS or key.endswith(_LABELS)), "region without a label")
    return {"type": kind, "value": item, **item}


def marks_of(url: str, results: list[dict[str, Any]], where: str) -> ImageMarks:
    """Return the regions and choices of one annotation.

    Raises ValueError for regions that cannot be read, and KeyError, TypeError or AttributeError for malformed ones.
    """
    marks = ImageMarks(image_name(url), where)
    labelled = {result.get("id") for result in results if result["type"] == _LABELS}
    for result in results:
        kind = result["type"]
        if kind in _OTHERS or (kind in _OUTLINES and result.get("id") in labelled):
            continue
        if kind == _CHOICES:
            marks.tags += [str(choice).strip() for choice in result["value"][_CHOICES]]
            continue
        marks.width_px = checked_side(result["original_width"], "width")
        marks.height_px = checked_side(result["original_height"], "height")
        check_pixels(marks.width_px, marks.height_px)
        if result.get("image_rotation"):
            raise ValueError(f"the image was rotated by {result['image_rotation']} degrees in Label Studio")
        marks.shapes.append(_shape(kind, result["value"], marks.width_px, marks.height_px))
    return marks


def _shape(kind: str, value: dict[str, Any], width_px: int, height_px: int) -> Shape:
    outline = _outline(kind, value)
    labels = value.get(kind) or []
    if len(labels) != 1:
        raise ValueError(f"a region has {len(labels)} labels; it needs one")
    label, to_x, to_y = str(labels[0]).strip(), width_px / 100, height_px / 100
    if outline == "polygon":
        if len(value["points"]) < 3:
            raise ValueError(f"a polygon has {len(value['points'])} points; it needs at least three")
        return Shape(label, points=tuple((x * to_x, y * to_y) for x, y in value["points"]))
    if outline == "brush":
        return Shape(label, runs=encode_mask(decode_brush(value["rle"], height_px, width_px)))
    left, top, degrees = value["x"] * to_x, value["y"] * to_y, value.get("rotation") or 0
    if outline == "ellipse":  # x and y are its centre
        points = ellipse((left, top), value["radiusX"] * to_x, value["radiusY"] * to_y, degrees)
        return Shape(label, points=points, overhangs=True)
    right, bottom = left + value["width"] * to_x, top + value["height"] * to_y
    if not degrees:
        return Shape(label, (left, top, right, bottom))
    corners = rotated(rectangle(left, top, right, bottom), degrees, (left, top))
    return Shape(label, points=corners, overhangs=True)


def _outline(kind: str, value: dict[str, Any]) -> str:
    """Return the outline of a region by its type, or by its coordinates if the label does not state a type.

    Raises ValueError for regions that cannot be read.
    """
    outline = kind.removesuffix(_LABELS)
    if kind == _LABELS:
        keys = {"points": "polygon", "rle": "brush", "radiusX": "ellipse", "width": "rectangle"}
        outline = next((found for key, found in keys.items() if key in value), "keypoint")
    if kind in _OUTLINES:
        raise ValueError(f"a {kind} has no label; give it one in Label Studio, or delete it")
    if outline not in _OUTLINES:
        raise ValueError(
            f"it has a result of type {kind!r}, which has no extent or cannot be read; draw rectangles, "
            "polygons, ellipses or brush masks"
        )
    return outline


def image_of(data: dict[str, Any]) -> str:
    """Return the address of the image of a task."""
    texts = [value for key, value in sorted(data.items()) if isinstance(value, str) and "image" in key.lower()]
    return texts[0] if texts else str(next(value for value in data.values() if isinstance(value, str)))


def image_name(url: str) -> str:
    """Return the path of an image from its address in Label Studio, without the prefix of uploaded files."""
    parts = urlsplit(url)
    path = parse_qs(parts.query).get("d", [parts.path])[0]
    folder, slash, name = unquote(path).strip("/").rpartition("/")
    uploaded = "upload" in folder.split("/")
    return _UPLOADED.sub("", name, count=1) if uploaded else f"{folder}{slash}{name}"
