"""labelme: one JSON file per image, with polygons, rectangles and circles (https://github.com/wkentaro/labelme)."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from stripwatch.training.datasets.formats.json_files import convert, load_json
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, checked_side
from stripwatch.training.datasets.formats.outlines import ellipse
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below


class _Shape(msgspec.Struct, frozen=True):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"


class _File(msgspec.Struct, frozen=True):
    shapes: list[_Shape]
    imageWidth: int  # noqa: N815 - the name in the file
    imageHeight: int  # noqa: N815


def is_labelme(content: Any) -> bool:
    """Return whether decoded JSON is a labelme file."""
    return isinstance(content, dict) and {"shapes", "imagePath"} <= content.keys()


def read_labelme(root: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read labelme files. The image is the one with the name of the file, in any folder."""
    for path in files:
        try:
            file = convert(load_json(path), _File, path, "a labelme file")
            width_px, height_px = checked_side(file.imageWidth, "width"), checked_side(file.imageHeight, "height")
            shapes = [_shape(each) for each in file.shapes]
        except DataError as error:
            problems.add(str(error))
        except ValueError as error:
            problems.add(f"{path} is not a labelme file: {error}")
        else:
            name = name_below(root, path.with_suffix(""))
            yield ImageMarks(name, str(path), width_px, height_px, shapes, required=True, suffixed=False)


def _shape(shape: _Shape) -> Shape:
    points = tuple(shape.points)
    if shape.shape_type == "rectangle" and len(points) == 2:
        (x1, y1), (x2, y2) = points
        return Shape(shape.label.strip(), (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))
    if shape.shape_type == "circle" and len(points) == 2:  # its centre, and a point on it
        radius = math.dist(*points)
        return Shape(shape.label.strip(), points=ellipse(points[0], radius, radius), overhangs=True)
    if shape.shape_type not in ("polygon", "oriented_rectangle") or len(points) < 3:
        raise ValueError(f"it has a {shape.shape_type} of {len(points)} points; draw polygons, rectangles or circles")
    return Shape(shape.label.strip(), points=points)
