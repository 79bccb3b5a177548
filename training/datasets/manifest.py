"""Layout `manifest`: a CSV file with the labels and, optionally, the coil of each image."""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.training.datasets.csv_rows import read_rows
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.samples import Sample
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import path_of, path_text

CSV_FILE = "manifest.csv"
# Separator of the labels in a cell; None: any whitespace.
_LABEL_COLUMNS = {"label": "|", "classes": None}


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
    for where, row in rows:
        try:
            name = _checked_name(root, row["file"], where)
        except DataError as error:
            problems.add(str(error))
            continue
        found = (label.strip() for label in row[column].split(_LABEL_COLUMNS[column]))
        labels.setdefault(name, set()).update(label for label in found if label)
        coil = row.get("coil") or None
        if coils.setdefault(name, coil) != coil:
            problems.add(f"{where}: {name} belongs to coil {coil!r} here, but to coil {coils[name]!r} above")
    problems.check()
    if not labels:
        raise DataError(f"{path} lists no images; add a row for each image")
    return (Sample(name, tuple(sorted(kept)), coils[name]) for name, kept in labels.items())


def _checked_name(root: Path, text: str, where: str) -> str:
    """Return the name of the file in a row: as returned by `name_below`, or with the backslashes of Windows."""
    path = path_of(text)
    if not _is_file(root / path):
        path = Path(text.replace("\\", "/"))
    if not text or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: {text!r} is not a path inside the data folder")
    if not _is_file(root / path):
        raise DataError(f"{where}: the file {root / path} does not exist")
    return path_text(path.as_posix())


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long or contains a null byte
        return False
