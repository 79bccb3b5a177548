"""truth.jsonl as written by `stripwatch simulate`: one line per image, with its boxes."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.text_encoding import decode_utf8

FILE = "truth.jsonl"


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


def read_truth(_: Path, files: Iterable[Path], problems: Problems) -> Iterator[ImageMarks]:
    """Read the lines of truth.jsonl files."""
    for path in files:
        for number, text in enumerate(_lines(path), start=1):
            where = f"{path} line {number}"
            try:
                line = msgspec.json.decode(text, type=_TruthLine)
            except msgspec.MsgspecError as error:
                problems.add(f"{where} is not a valid line of truth.jsonl: {error}")
                continue
            shapes = [Shape(line.label, (b.x, b.y, b.x + b.width, b.y + b.height)) for b in line.boxes]
            yield ImageMarks(line.file, where, line.width_px, line.height_px, shapes, required=True)


def _lines(path: Path) -> list[bytes]:
    try:
        return decode_utf8(read_whole(path)).encode().splitlines()
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error
