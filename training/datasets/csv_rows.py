"""Reading of CSV files written by people, Excel or Kaggle, with line numbers for error messages."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stripwatch.export.runs.files import read_whole
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.text_encoding import decode_utf8

Row = dict[str, str]


def read_rows(path: Path, problems: Problems | None = None) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """Return the columns, and an iterator of ("FILE line N", row) over the lines, with stripped cells.

    Commas and, as Excel writes them, semicolons separate cells. Lines with a wrong number of cells are left out and
    added to `problems`; without it, the iterator raises DataError with all of them at its end. Empty lines, as Excel
    writes them below a table, are left out. Raises InputError or DataError, with the path, if the file cannot be read
    or is not a table.
    """
    reader = _reader(path)
    try:
        columns = [column.strip() for column in reader.fieldnames or []]
    except csv.Error as error:
        raise DataError(f"{path} line 1 is not valid CSV: {error}") from error
    repeated = next((column for column in columns if column and columns.count(column) > 1), None)
    if repeated is not None:
        raise DataError(f"{path} line 1 has the column {repeated} more than once; rename or delete one of them")
    return columns, _rows(path, reader, problems)


def count_empty_rows(path: Path) -> int:
    """Return the number of lines that have only separators. Raises what `read_rows` raises."""
    return sum(_is_empty(row) for row in _reader(path))


def _reader(path: Path) -> "csv.DictReader[str]":
    try:
        text = decode_utf8(read_whole(path))
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _is_empty(row: Mapping[str | None, Any]) -> bool:
    """Return whether a row has no text. Cells without a column are in a list with the key None."""
    cells = [cell for value in row.values() for cell in (value if isinstance(value, list) else [value])]
    return not any((cell or "").strip() for cell in cells)


def _rows(path: Path, reader: "csv.DictReader[str]", given: Problems | None) -> Iterator[tuple[str, Row]]:
    problems = Problems(str(path)) if given is None else given
    try:
        for row in reader:
            if _is_empty(row):
                continue
            where = f"{path} line {reader.line_num}"
            if None in row or None in row.values():
                problems.add(f"{where}: the number of cells differs from the number of columns")
            else:
                yield where, {column.strip(): cell.strip() for column, cell in row.items()}
    except csv.Error as error:  # the reader cannot continue
        problems.add(f"{path} line {reader.line_num + 1} is not valid CSV: {error}")
    if given is None:
        problems.check()
