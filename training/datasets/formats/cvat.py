"""CVAT for images 1.1: one XML file for many images (https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/).

Boxes, polygons, masks and ellipses are read, with their rotation in degrees about their centre, and tags as labels of
the whole image. An image without any of them is clean.
"""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, checked_side
from stripwatch.training.datasets.formats.outlines import ellipse, rectangle, rotated
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import Mask, encode_mask
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError

ROOT = "annotations"
_TAG = "tag"


def read_cvat(_: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read CVAT files."""
    for path in files:
        try:
            tree = ElementTree.fromstring(read_whole(path))  # noqa: S314  # expat 2.4.1 and later prevents entity expansion attacks
        except (ElementTree.ParseError, ValueError) as error:
            problems.add(f"{path} is not a CVAT file: {error}")
            continue
        if tree.find("track") is not None:
            problems.add(f"{path} has tracks of a video; export the task as 'CVAT for images 1.1'")
        for image in tree.iterfind("image"):
            try:
                yield _read_image(image, path)
            except (DataError, ValueError, OverflowError) as error:
                problems.add(f"{path}: image {image.get('name')}: {error}")


def _read_image(image: ElementTree.Element, path: Path) -> ImageMarks:
    width_px, height_px = (checked_side(_number(image, side), side) for side in ("width", "height"))
    name = _attribute(image, "name")
    marks = ImageMarks(name, f"{path}: image {name}", width_px, height_px)
    for item in image:
        if item.tag == _TAG:
            marks.tags.append(_attribute(item, "label").strip())
        elif item.tag not in _READERS:
            raise ValueError(f"it has a {item.tag}; draw {', '.join(_READERS)}")
        else:
            marks.shapes.append(_READERS[item.tag](item, marks))
    return marks


def _box(item: ElementTree.Element, _: ImageMarks) -> Shape:
    left, top, right, bottom = (_number(item, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    label, degrees = _attribute(item, "label").strip(), float(item.get("rotation", 0))
    if not degrees:
        return Shape(label, (left, top, right, bottom))
    centre = (left + right) / 2, (top + bottom) / 2
    return Shape(label, points=rotated(rectangle(left, top, right, bottom), degrees, centre), overhangs=True)


def _polygon(item: ElementTree.Element, _: ImageMarks) -> Shape:
    pairs = [pair.split(",") for pair in _attribute(item, "points").split(";")]
    points = tuple((float(x), float(y)) for x, y in pairs)
    if len(points) < 3:
        raise ValueError(f"a polygon has {len(points)} points; it needs at least three")
    return Shape(_attribute(item, "label").strip(), points=points)


def _ellipse(item: ElementTree.Element, _: ImageMarks) -> Shape:
    x, y, radius_x, radius_y = (_number(item, name) for name in ("cx", "cy", "rx", "ry"))
    points = ellipse((x, y), radius_x, radius_y, float(item.get("rotation", 0)))
    return Shape(_attribute(item, "label").strip(), points=points, overhangs=True)


def _mask(item: ElementTree.Element, marks: ImageMarks) -> Shape:
    """Return a mask, whose counts are row by row inside its rectangle, beginning with pixels outside."""
    left, top, width, height = (int(_attribute(item, name)) for name in ("left", "top", "width", "height"))
    image_width_px, image_height_px = marks.width_px or 0, marks.height_px or 0
    if min(left, top) < 0 or min(width, height) < 1 or left + width > image_width_px or top + height > image_height_px:
        raise ValueError(f"a mask of {width}x{height} pixels at ({left}, {top}) is outside the image")
    counts = [int(count) for count in _attribute(item, "rle").split(",")]
    if min(counts) < 0 or sum(counts) != width * height:
        raise ValueError(f"the runs of a mask do not cover {width}x{height} pixels")
    inside: Mask = np.zeros((image_height_px, image_width_px), bool)
    values = np.arange(len(counts)) % 2 == 1
    inside[top : top + height, left : left + width] = np.repeat(values, counts).reshape(height, width)
    return Shape(_attribute(item, "label").strip(), runs=encode_mask(inside))


_READERS: dict[str, Callable[[ElementTree.Element, ImageMarks], Shape]] = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
}


def _number(item: ElementTree.Element, name: str) -> float:
    return float(_attribute(item, name))


def _attribute(item: ElementTree.Element, name: str) -> str:
    value = item.get(name)
    if value is None:
        raise ValueError(f"<{item.tag}> has no {name}")
    return value
