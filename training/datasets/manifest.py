"""Layout `manifest`: a CSV file with the labels and, optionally, the coil of each image."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath

from stripwatch.training.datasets.csv_rows import Row, count_empty_rows, read_rows
from stripwatch.training.datasets.formats.image_index import AmbiguousImageError, ImageIndex
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below, path_of, path_text

CSV_FILE = "manifest.csv"
# Separator of the labels in a cell; None: any whitespace.
_LABEL_COLUMNS = {"label": "|", "classes": None}
_NAMED_MAX = 3


def read_manifest(root: Path) -> Iterator[Sample]:
    """Read manifest.csv with the columns file, label and, optionally, coil.

    file is a path relative to the data folder. An image with several labels has several rows, or one row with "a|b". An
    image with an empty label is clean. A column classes, with cells such as "3 4", may replace label. Images that are
    not in the manifest are not used. Raises DataError, with all lines concerned, for a missing file or a malformed row.
    """
    path = root / CSV_FILE
    problems = Problems(str(path))
    columns, rows = read_rows(path, problems)
    column = next((column for column in _LABEL_COLUMNS if column in columns), None)
    if "file" not in columns or column is None:
        raise DataError(
            f"{path} needs the columns file and label, in small letters and separated by commas or semicolons, but has "
            f"{', '.join(columns) or 'none'}"
        )
    labels: dict[str, set[str]] = {}
    coils: dict[str, str | None] = {}
    images = _Images(root)
    for where, row in rows:
        try:
            name = images.checked_name(row["file"], where)
        except DataError as error:
            problems.add(str(error))
            continue
        labels.setdefault(name, set()).update(_labels(row, column))
        coil = row.get("coil") or None
        if coils.setdefault(name, coil) != coil:
            problems.add(f"{where}: {name} belongs to coil {coil!r} here, but to coil {coils[name]!r} above")
    problems.check()
    if not labels:
        raise DataError(f"{path} lists no images; add a row for each image")
    return (Sample(name, tuple(sorted(kept)), coils[name]) for name, kept in labels.items())


def manifest_notes(root: Path) -> list[tuple[str, str, list[str]]]:
    """Return what is unusual in a manifest that `read_manifest` accepts: kind of the finding, sentence, images."""
    path = root / CSV_FILE
    columns, rows = read_rows(path)
    column = next(column for column in _LABEL_COLUMNS if column in columns)
    sets: dict[str, set[frozenset[str]]] = defaultdict(set)
    for _, row in rows:
        sets[_unified(root, row["file"]).as_posix()].add(frozenset(_labels(row, column)))
    several = sorted(path_text(name) for name, found in sets.items() if len(found) > 1)
    notes = []
    if several:
        one = len(several) == 1
        what = "image has rows with different labels" if one else "images have rows with different labels"
        first = ", ".join(several[:_NAMED_MAX]) + (", ..." if len(several) > _NAMED_MAX else "")
        them = "it has" if one else "each has"
        notes.append(
            ("repeated-rows", f"{len(several):,} {what} in {path}, so {them} several labels: {first}", several)
        )
    if empty := count_empty_rows(path):
        rows_text = "1 empty row" if empty == 1 else f"{empty:,} empty rows"
        notes.append(("empty-rows", f"{rows_text} of {path} skipped", []))
    return notes


def _labels(row: Row, column: str) -> list[str]:
    return [label for each in row[column].split(_LABEL_COLUMNS[column]) if (label := each.strip())]


def _unified(root: Path, text: str) -> Path:
    """Return the path in a row, which may have the backslashes of Windows."""
    path = path_of(text)
    return path if _is_file(root / path) else Path(text.replace("\\", "/"))


class _Images:
    """The images of a data folder. Their index is made for the first name that is wrong."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index: ImageIndex | None = None

    def checked_name(self, text: str, where: str) -> str:
        """Return the name of the file in a row, as returned by `name_below`. Raises DataError."""
        path = _unified(self._root, text)
        if path.is_absolute() or PureWindowsPath(text).drive:
            raise DataError(
                f"{where}: {text!r} is an absolute path; use the path relative to the data folder{self._hint(text)}"
            )
        if not text or ".." in path.parts:
            raise DataError(f"{where}: {text!r} is not a path inside the data folder{self._hint(text)}")
        if not _is_file(self._root / path):
            raise DataError(f"{where}: the file {self._root / path} does not exist{self._hint(text)}")
        return path_text(path.as_posix())

    def _hint(self, text: str) -> str:
        """Return the image that could be meant: one with this file name, in any folder and case."""
        if self._index is None:
            self._index = ImageIndex(name_below(self._root, path) for path in find_images(self._root))
        try:
            name = self._index.find(text, suffixed=True) if text else None
        except AmbiguousImageError as error:
            return f"; {error}, so state the folder"
        return f"; did you mean {name!r}?" if name else ""


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long or contains a null byte
        return False
