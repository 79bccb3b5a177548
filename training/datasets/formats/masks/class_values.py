"""Classes of the pixel values of masks, as exports for semantic segmentation name them in a file next to the masks.

* CVAT ("Segmentation mask 1.1"): labelmap.txt with lines such as "pits:250,50,83::"
  (https://docs.cvat.ai/docs/dataset_management/formats/format-smask/).
* Roboflow ("Semantic Segmentation Masks"): _classes.csv with the columns "Pixel Value" and "Class", as described in
  https://github.com/luxonis/luxonis-ml.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.text_encoding import decode_utf8

LABEL_MAP, CLASS_TABLE = "labelmap.txt", "_classes.csv"
_BACKGROUND = frozenset({"background", "_background_", "__ignore__", "void", "unlabeled"})
_COLOUR = 1 << 24


def colour_value(red: int, green: int, blue: int) -> int:
    """Return the value of a colour: that of its channels if it is grey, and otherwise a number above all of those."""
    return red if red == green == blue else _COLOUR | red << 16 | green << 8 | blue


def value_text(value: int) -> str:
    """Return the text of a value for messages: "3", or "(250,50,83)" for a colour."""
    if value < _COLOUR:
        return str(value)
    return f"({value >> 16 & 255},{value >> 8 & 255},{value & 255})"


def find_class_values(folders: Iterable[Path]) -> dict[int, str] | None:
    """Return the class of each pixel value, "" for the background, or None if no folder names them.

    Raises DataError, with file and line, if a file is malformed.
    """
    for folder in folders:
        if (folder / LABEL_MAP).is_file():
            return _read_label_map(folder / LABEL_MAP)
        if (folder / CLASS_TABLE).is_file() and (classes := _read_class_table(folder / CLASS_TABLE)):
            return classes
    return None


def _read_label_map(path: Path) -> dict[int, str]:
    classes = {}
    for number, line in enumerate(_lines(path), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, colour = line.split(":")[:2]
            red, green, blue = (int(part) for part in colour.split(","))
        except ValueError as error:
            raise DataError(f"{path} line {number} is not NAME:RED,GREEN,BLUE: {line[:40]!r}") from error
        classes[colour_value(red, green, blue)] = _label(name)
    return classes


def _read_class_table(path: Path) -> dict[int, str]:
    """Return the classes, or an empty dict for the labels of whole images, which Roboflow writes with the same name."""
    rows = csv.reader(_lines(path), skipinitialspace=True)
    if [cell.strip() for cell in next(rows, [])] != ["Pixel Value", "Class"]:
        return {}
    classes = {}
    for row in rows:
        if len(row) != 2 or not row[0].strip().isdecimal():
            raise DataError(f"{path} line {rows.line_num} is not VALUE, CLASS: {', '.join(row)[:40]!r}")
        classes[int(row[0])] = _label(row[1])
    return classes


def _lines(path: Path) -> list[str]:
    try:
        return decode_utf8(read_whole(path)).splitlines()
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error


def _label(name: str) -> str:
    return "" if name.strip().casefold() in _BACKGROUND else name.strip()
