"""COCO: one JSON file for many images, with boxes, polygons or run-length masks (https://cocodataset.org/#format-data).

The regions of a crowd (iscrowd) are read like those of single objects. Images without annotations are clean.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stripwatch.training.datasets.formats.json_files import convert, load_json
from stripwatch.training.datasets.formats.marks import ImageMarks, Shape, checked_side
from stripwatch.training.datasets.formats.masks.coco_rle import decode_counts
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.formats.rle_masks import RunLengthMask
from stripwatch.worker.common.errors import DataError


class _Image(msgspec.Struct, frozen=True):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _Category(msgspec.Struct, frozen=True):
    id: int | str
    name: str


class _Rle(msgspec.Struct, frozen=True):
    size: tuple[int, int]
    counts: list[int] | str


class _Annotation(msgspec.Struct, frozen=True):
    image_id: int | str
    category_id: int | str
    bbox: list[float] = msgspec.field(default_factory=list)
    segmentation: list[list[float]] | _Rle | None = None
    id: int | str | None = None
    keypoints: list[float] = msgspec.field(default_factory=list)


_Entry = TypeVar("_Entry", _Image, _Category)


_Kind = TypeVar("_Kind", _Image, _Category, _Annotation)


class _Coco(msgspec.Struct, frozen=True):
    """A COCO file. The entries are converted one by one, so that all that are not valid are reported."""

    images: list[Any]
    categories: list[Any]
    annotations: list[Any] = msgspec.field(default_factory=list)


def is_coco(content: Any) -> bool:
    """Return whether decoded JSON is a COCO file."""
    return isinstance(content, dict) and {"images", "categories"} <= content.keys()


def read_coco(_: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read COCO files. Images without annotations are clean."""
    for path in files:
        try:
            yield from _read(path, problems)
        except DataError as error:
            problems.add(str(error))


def _read(path: Path, problems: Problems) -> Iterator[ImageMarks]:
    coco = convert(load_json(path), _Coco, path, "a COCO file")
    categories = _entries(coco.categories, _Category, path, "category", problems)
    names = {str(each.id): each.name.strip() for each in _unique(categories, path, "categories", problems)}
    marks = {}
    images = _entries(coco.images, _Image, path, "image", problems)
    for each in _unique(images, path, "images", problems):
        where = f"{path}: {each.file_name}"
        if each.width is None or each.height is None:
            problems.add(f"{where} has no width and height in pixels; add them, or export the file again")
            continue
        try:
            sides = checked_side(each.width, "width"), checked_side(each.height, "height")
            marks[str(each.id)] = ImageMarks(each.file_name, where, *sides)
        except ValueError as error:
            problems.add(f"{where}: {error}")
    known = {str(each.id) for each in images}
    for at, annotation in enumerate(_entries(coco.annotations, _Annotation, path, "annotation", problems)):
        where = f"{path}: annotation {at if annotation.id is None else annotation.id}"
        image_id, category_id = str(annotation.image_id), str(annotation.category_id)
        if image_id in known - marks.keys():
            continue  # the image is among the problems
        if image_id not in marks:
            problems.add(f"{where} has the image_id {annotation.image_id}, which no image has")
        elif category_id not in names:
            problems.add(f"{where} has the category_id {annotation.category_id}, which no category has")
        else:
            try:
                image = marks[image_id]
                image.shapes += _shapes(annotation, names[category_id], image)
            except ValueError as error:
                problems.add(f"{where} is not valid: {error}")
    yield from marks.values()


def _entries(values: list[Any], kind: type[_Kind], path: Path, name: str, problems: Problems) -> list[_Kind]:
    """Return the valid entries of a list, and note the others with their number from 0 and the field."""
    entries = []
    for at, value in enumerate(values):
        try:
            entries.append(msgspec.convert(value, kind))
        except msgspec.ValidationError as error:
            stated = value.get("id") if isinstance(value, dict) else None
            which = f"number {at} in the list" if stated is None else f"with the id {stated!r}"
            problems.add(f"{path}: the {name} {which} is not valid: {error}")
    return entries


def _unique(entries: Iterable[_Entry], path: Path, kind: str, problems: Problems) -> list[_Entry]:
    """Return the entries with different ids, and note the others, whose annotations could belong to either."""
    found: dict[str, _Entry] = {}
    for entry in entries:
        if str(entry.id) in found:
            problems.add(f"{path}: two {kind} have the id {entry.id!r}; give each its own")
        found.setdefault(str(entry.id), entry)
    return list(found.values())


def _shapes(annotation: _Annotation, label: str, image: ImageMarks) -> list[Shape]:
    if isinstance(annotation.segmentation, _Rle):
        return [Shape(label, runs=_runs(annotation.segmentation, image))]
    if annotation.segmentation:
        return [Shape(label, points=_points(flat)) for flat in annotation.segmentation]
    if annotation.keypoints and not any(annotation.bbox):
        raise ValueError("it has only keypoints, which have no extent; add a bbox or a segmentation")
    if len(annotation.bbox) != 4:
        raise ValueError("it has neither a segmentation nor a bbox of four numbers")
    left, top, width, height = annotation.bbox
    return [Shape(label, (left, top, left + width, top + height))]


def _points(flat: list[float]) -> tuple[tuple[float, float], ...]:
    if len(flat) < 6 or len(flat) % 2:
        raise ValueError(f"a polygon has {len(flat)} numbers; it needs at least three points of two numbers")
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _runs(rle: _Rle, image: ImageMarks) -> RunLengthMask:
    height_px, width_px = rle.size
    if (width_px, height_px) != (image.width_px, image.height_px):
        raise ValueError(
            f"its mask has {width_px}x{height_px} pixels, but its image has {image.width_px}x{image.height_px}"
        )
    return RunLengthMask(height_px, width_px, *decode_counts(rle.counts, height_px, width_px))
