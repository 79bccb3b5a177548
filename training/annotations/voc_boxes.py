"""Boxes around defects, from Pascal VOC XML files or from the truth.jsonl written by `stripwatch simulate`."""

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stripwatch.export.runs.files import read_whole
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.text_encoding import decode_utf8


@dataclass(frozen=True, slots=True)
class LabelledBox:
    """A box with its label, in pixels from 0. right and bottom are exclusive."""

    label: str
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True)
class BoxFile:
    """The boxes of one image, and its size."""

    width_px: int
    height_px: int
    boxes: list[LabelledBox]


def read_boxes(folder: Path, samples: list[Sample]) -> dict[str, BoxFile]:
    """Read the VOC file NAME.xml of each sample that has one in the folder, and return them by sample name.

    Raises DataError for a file that cannot be read, that has no image, or that belongs to two images.
    """
    by_stem: dict[str, str] = {}
    for sample in samples:
        first = by_stem.setdefault(Path(sample.name).stem, sample.name)
        if first != sample.name:
            raise DataError(
                f"{first} and {sample.name} have the same name, so {Path(first).stem}.xml is ambiguous; rename one"
            )
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != ".xml" or path.name.startswith("."):
            continue
        stem = path_text(path.stem)
        if stem not in by_stem:
            raise DataError(f"{path}: the data set has no image named {stem}")
        found[by_stem[stem]] = read_box_file(path)
    return found


def read_box_file(path: Path) -> BoxFile:
    """Read one Pascal VOC file (http://host.robots.ox.ac.uk/pascal/VOC/).

    Its coordinates count from 1 and include the last pixel. A coordinate of 0, which some labelling tools write, is
    read as 1. Raises DataError, with the path, if the file is malformed.
    """
    try:
        root = ElementTree.fromstring(read_whole(path))  # noqa: S314  # expat 2.4.1 and later prevents entity expansion attacks
        width_px, height_px = (int(_text(root, f"size/{side}")) for side in ("width", "height"))
        boxes = [_box(item) for item in root.iterfind("object")]
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path} is not a VOC box file: {error}") from error
    _check_inside(boxes, width_px, height_px, str(path))
    return BoxFile(width_px, height_px, boxes)


class _Corner(msgspec.Struct, frozen=True):
    x: int
    y: int
    width: int
    height: int


class _TruthLine(msgspec.Struct, frozen=True):
    """A line of truth.jsonl; a clean image has no boxes."""

    file: str
    label: str
    width_px: int
    height_px: int
    boxes: list[_Corner]


def read_box_lines(path: Path, samples: list[Sample]) -> dict[str, BoxFile]:
    """Read the boxes of all samples from a truth.jsonl, by sample name.

    Raises DataError, with the line, for a malformed line or a missing image.
    """
    names = {sample.name for sample in samples}
    found = {}
    for number, text in enumerate(_lines(path), start=1):
        where = f"{path} line {number}"
        try:
            line = msgspec.json.decode(text, type=_TruthLine)
        except msgspec.MsgspecError as error:
            raise DataError(f"{where} is not a valid line of truth.jsonl: {error}") from error
        if line.file not in names:
            raise DataError(f"{where}: the data folder has no image {line.file}")
        boxes = [LabelledBox(line.label, b.x, b.y, b.x + b.width, b.y + b.height) for b in line.boxes]
        _check_inside(boxes, line.width_px, line.height_px, where)
        found[line.file] = BoxFile(line.width_px, line.height_px, boxes)
    return found


def _lines(path: Path) -> list[bytes]:
    try:
        return decode_utf8(read_whole(path)).encode().splitlines()
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _check_inside(boxes: list[LabelledBox], width_px: int, height_px: int, where: str) -> None:
    for box in boxes:
        if not (0 <= box.left < box.right <= width_px and 0 <= box.top < box.bottom <= height_px):
            raise DataError(
                f"{where}: a box of {box.label!r} is empty or outside the image of {width_px}x{height_px} pixels"
            )


def _box(item: ElementTree.Element) -> LabelledBox:
    left, top, right, bottom = (
        round(float(_text(item, f"bndbox/{side}"))) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return LabelledBox(_text(item, "name").strip(), max(left, 1) - 1, max(top, 1) - 1, right, bottom)


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"<{element.tag}> has no {path}")
    return text
