"""Label Studio: a JSON export of tasks with rectangles and polygons (https://labelstud.io/guide/export.html).

Both "JSON" and "JSON-MIN" are read. Coordinates are percentages of the image
(https://labelstud.io/guide/task_format.html). A task without annotations has not been labelled and is not used; a task
with an empty annotation is clean.
"""

import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from stripwatch.training.datasets.formats.json_files import load_json
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, checked_side
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.errors import DataError

_KINDS = ("rectanglelabels", "polygonlabels")
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
        for task in tasks:
            where = f"{path}: task {task.get('id')}"
            try:
                marks = _read_task(task, where)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                problems.add(f"{where} is not valid: {error}")
                continue
            if marks is not None:
                yield marks


def _read_task(task: dict[str, Any], where: str) -> ImageMarks | None:
    if "annotations" not in task:
        return _marks(task["image"], [_spread(item) for item in _labels_of(task)], where)
    done = [each for each in task["annotations"] if not each.get("was_cancelled")]
    if not done:
        return None
    if len(done) > 1:
        raise ValueError(f"it has {len(done)} annotations; keep one of them in Label Studio")
    return _marks(_image_of(task["data"]), done[0]["result"], where)


def _labels_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for value in task.values() if isinstance(value, list) for item in value if isinstance(item, dict)]


def _spread(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item of JSON-MIN in the structure of the full export."""
    kind = next((kind for kind in _KINDS if kind in item), "rectanglelabels")
    return {"type": kind, "value": item, **item}


def _marks(url: str, results: list[dict[str, Any]], where: str) -> ImageMarks:
    marks = ImageMarks(image_name(url), where)
    for result in results:
        kind = result["type"]
        if kind in ("choices", "textarea", "rating"):
            continue
        if kind not in _KINDS:
            raise ValueError(f"it has a result of type {kind!r}; draw rectangles or polygons, or export masks as PNG")
        marks.width_px = checked_side(result["original_width"], "width")
        marks.height_px = checked_side(result["original_height"], "height")
        if result.get("image_rotation"):
            raise ValueError(f"the image was rotated by {result['image_rotation']} degrees in Label Studio")
        marks.shapes.append(_shape(kind, result["value"], marks.width_px, marks.height_px))
    return marks


def _shape(kind: str, value: dict[str, Any], width_px: int, height_px: int) -> Shape:
    labels = value[kind]
    if len(labels) != 1:
        raise ValueError(f"a region has {len(labels)} labels; it needs one")
    label, to_x, to_y = str(labels[0]).strip(), width_px / 100, height_px / 100
    if kind == "polygonlabels":
        if len(value["points"]) < 3:
            raise ValueError(f"a polygon has {len(value['points'])} points; it needs at least three")
        return Shape(label, points=tuple((x * to_x, y * to_y) for x, y in value["points"]))
    left, top, width, height = value["x"] * to_x, value["y"] * to_y, value["width"] * to_x, value["height"] * to_y
    angle = math.radians(value.get("rotation") or 0)
    if not angle:
        return Shape(label, (left, top, left + width, top + height))
    corners = ((0.0, 0.0), (width, 0.0), (width, height), (0.0, height))  # rotated about the first one
    turned = (
        (left + x * math.cos(angle) - y * math.sin(angle), top + x * math.sin(angle) + y * math.cos(angle))
        for x, y in corners
    )
    return Shape(label, points=tuple(turned))


def _image_of(data: dict[str, Any]) -> str:
    texts = [value for key, value in sorted(data.items()) if isinstance(value, str) and "image" in key.lower()]
    return texts[0] if texts else str(next(value for value in data.values() if isinstance(value, str)))


def image_name(url: str) -> str:
    """Return the path of an image from its address in Label Studio, without the prefix of uploaded files."""
    parts = urlsplit(url)
    path = parse_qs(parts.query).get("d", [parts.path])[0]
    folder, slash, name = unquote(path).strip("/").rpartition("/")
    uploaded = "upload" in folder.split("/")
    return _UPLOADED.sub("", name, count=1) if uploaded else f"{folder}{slash}{name}"
