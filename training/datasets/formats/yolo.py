"""YOLO: one .txt file per image, with a line per box or polygon.

Box: CLASS X Y WIDTH HEIGHT, with the centre; polygon: CLASS X1 Y1 X2 Y2 X3 Y3 ... All are shares of the image. Classes
are numbers, whose names are in data.yaml, classes.txt or obj.names.
Sources: https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/.
"""

import codecs
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from stripwatch.training.datasets.formats.marks import ImageMarks, Shape
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below
from stripwatch.worker.common.text_encoding import decode_utf8

_LISTS = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels")
OTHER_TXT = frozenset({*_LISTS, "train.txt", "val.txt", "valid.txt", "test.txt", "trainval.txt", "notes.txt"})
# A name instead of a number, decimal commas, or too few numbers: a mistake if it is next to YOLO files.
_ATTEMPT = re.compile(rb"\s*\S+?([\s,;]+[-+.,\deE]+){2,}\s*")
_LINE = re.compile(rb"\s*\d+(\.0+)?(\s+[-+.\deE]+|\s+nan|\s+inf){4,}\s*", re.IGNORECASE)

_NAMES = re.compile(r"^names[ \t]*:[ \t]*(.*(?:\n(?:[ \t]+.*|[ \t]*-.*|[ \t]*))*)", re.MULTILINE)
_CLOSING = {"[": "]", "{": "}"}


def is_yolo(path: Path) -> bool:
    """Return whether a .txt file begins like a YOLO file, or is empty, as for a clean image."""
    if _is_other(path):
        return False
    first = _first_line(path)
    return not first or _LINE.fullmatch(first) is not None


def is_malformed_yolo(path: Path) -> bool:
    """Return whether a .txt file that is next to YOLO files begins like one with a mistake."""
    return not (_is_other(path) or is_yolo(path)) and _ATTEMPT.fullmatch(_first_line(path)) is not None


def _is_other(path: Path) -> bool:
    return path.name.lower() in OTHER_TXT or path.name.lower().startswith("readme")


def _first_line(path: Path) -> bytes:
    lines = read_whole(path).removeprefix(codecs.BOM_UTF8).split(b"\n")
    return next((line for line in lines if line.strip()), b"")


def read_yolo(root: Path, files: Sequence[Path], problems: Problems, data: Path) -> Iterator[ImageMarks]:
    """Read YOLO files. data: the data folder, in which the names of the classes are also searched.

    Raises DataError if the names are not found.
    """
    names = find_class_names(root, files, data)
    for path in files:
        marks = ImageMarks(name_below(root, path.with_suffix("")), str(path), suffixed=False)
        for number, line in enumerate(_text_of(path).splitlines(), 1):
            try:
                if line.strip():
                    marks.shapes.append(_shape(line, names))
            except (ValueError, OverflowError) as error:
                problems.add(f"{path} line {number} is not a YOLO annotation: {error}")
        yield marks


def _shape(line: str, names: dict[int, str]) -> Shape:
    number, *values = map(float, line.split())
    if number != int(number) or int(number) not in names:
        raise ValueError(f"class {number:g} has no name; known are 0 to {max(names)}")
    label = names[int(number)]
    if len(values) == 4:
        x, y, width, height = values
        return Shape(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    if len(values) == 5:
        raise ValueError("it has a sixth number, as predictions have; pass labels that a person checked")
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"it has {1 + len(values)} numbers; a box has 5, and a polygon 7, 9, 11 and so on")
    return Shape(label, points=tuple(zip(values[::2], values[1::2], strict=True)))


def find_class_names(root: Path, files: Sequence[Path], data: Path) -> dict[int, str]:
    """Return the names of the classes by number.

    They are searched in the annotation folder, its two parents and the data folder. Raises DataError if no file has
    them, or if two files near the annotations contradict each other.
    """
    near = dict.fromkeys([root, *sorted({path.parent for path in files}), data])
    found = {path: names for folder in near for path, names in _names_in(folder)}
    _check_equal(found)
    for folder in [root, *near, root.parent, root.parent.parent]:
        for path, names in _names_in(folder):
            return found.get(path, names)
    raise DataError(
        f"{root} has YOLO files, but no data.yaml, classes.txt or obj.names with the names of the classes; add one "
        "next to them"
    )


def _names_in(folder: Path) -> Iterator[tuple[Path, dict[int, str]]]:
    """Yield the files with names of classes in a folder, and the names by number."""
    for path in [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("*.yml"))]:
        text = _text_of(path)
        if names := yaml_names(text):
            _check_yaml(path, text, names)
            yield path, names
    for path in (folder / name for name in _LISTS):
        if path.is_file():
            yield path, dict(enumerate(line.strip() for line in _text_of(path).splitlines() if line.strip()))


def _check_equal(found: Mapping[Path, Mapping[int, str]]) -> None:
    """Raise DataError if two files give a class different names."""
    first, *others = found.items() or [(Path(), {})]
    for path, names in others:
        for number in sorted(names.keys() & first[1].keys()):
            if names[number] != first[1][number]:
                raise DataError(
                    f"class {number} is {first[1][number]!r} in {first[0]}, but {names[number]!r} in {path}; delete or "
                    "correct one of the files"
                )


def _check_yaml(path: Path, text: str, names: Mapping[int, str]) -> None:
    """Raise DataError, with the line, for a list of names that is not closed, and for another number of classes."""
    start = _NAMES.search(text)
    after = _without_comments(text[start.start(1) :]) if start else ""
    opened = after[:1]
    until_next_entry = re.split(r"\n(?=[A-Za-z_]\w*[ \t]*:)", after)[0]
    if start and opened in _CLOSING and _CLOSING[opened] not in until_next_entry:
        line = text.count("\n", 0, start.start()) + 1
        raise DataError(
            f"{path} line {line}: the names of the classes begin with {opened!r}, but do not end with "
            f"{_CLOSING[opened]!r}; correct the list"
        )
    count = re.search(r"^nc[ \t]*:[ \t]*(\d+)", text, re.MULTILINE)
    if count and int(count[1]) != len(names):
        line = text.count("\n", 0, count.start()) + 1
        raise DataError(f"{path} line {line}: nc is {count[1]}, but names has {len(names)}; correct one of them")


def yaml_names(text: str) -> dict[int, str]:
    """Return the entry `names` of a data.yaml, which is a list or a table, or an empty dict if it has none.

    Reads only this entry, so that training needs no YAML library.
    """
    match = _NAMES.search(text)
    if match is None:
        return {}
    body = _without_comments(match[1])
    if body[:1] in "[{":
        items = [item.strip() for item in re.findall(r"""'[^']*'|"[^"]*"(?:\s*:.*)?|[^,\[\]{}]+""", body)]
        return _numbered([item for item in items if item])
    return _numbered([line.strip() for line in body.splitlines() if line.strip()])


def _without_comments(text: str) -> str:
    return "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in text.splitlines()).strip()


def _numbered(items: list[str]) -> dict[int, str]:
    names = {}
    for at, item in enumerate(items):
        table = re.fullmatch(r"""['"]?(\d+)['"]?\s*:\s*(.+)""", item)
        number, name = (int(table[1]), table[2]) if table else (at, item.removeprefix("-"))
        names[number] = name.strip().strip("'\"").strip()
    return names


def _text_of(path: Path) -> str:
    try:
        return decode_utf8(read_whole(path))
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error
