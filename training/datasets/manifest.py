"""Layout `manifest`: a CSV that says which file has which labels, and from which coil it comes."""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.training.datasets.csv_rows import read_rows
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import path_of, path_text

CSV_FILE = "manifest.csv"
# What stands between the labels of a cell; None: any space.
_LABEL_COLUMNS = {"label": "|", "classes": None}


def read_manifest(root: Path) -> Iterator[Sample]:
    """manifest.csv with columns file, label and, if known, coil; file is a path from the data folder.

    An image with several labels has several rows, or one with "a|b"; one with an empty label is clean. A column
    classes, as in "3 4", may stand for label. Images that the manifest does not name take no part.
    Raises DataError, with the line, for a file that is not there.
    """
    path = root / CSV_FILE
    columns, rows = read_rows(path)
    column = next((column for column in _LABEL_COLUMNS if column in columns), None)
    if "file" not in columns or column is None:
        raise DataError(f"{path} needs the columns file and label; it has {', '.join(columns) or 'none'}")
    labels: dict[str, set[str]] = {}
    coils: dict[str, str | None] = {}
    for where, row in rows:
        name = _checked_name(root, row["file"], where)
        found = (label.strip() for label in row[column].split(_LABEL_COLUMNS[column]))
        labels.setdefault(name, set()).update(label for label in found if label)
        coil = row.get("coil") or None
        if coils.setdefault(name, coil) != coil:
            raise DataError(f"{where}: {name} is of coil {coil!r} here and of {coils[name]!r} above")
    return (Sample(name, tuple(sorted(kept)), coils[name]) for name, kept in labels.items())


def _checked_name(root: Path, text: str, where: str) -> str:
    """The name of the file that a line means: as `name_below` makes it, or with the backslashes of Windows."""
    path = path_of(text)
    if not _is_file(root / path):
        path = Path(text.replace("\\", "/"))
    if not text or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: {text!r} is no path inside the data folder")
    if not _is_file(root / path):
        raise DataError(f"{where}: there is no file {root / path}")
    return path_text(path.as_posix())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a null byte
        return False
