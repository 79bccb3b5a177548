"""CSV files that people and Kaggle write, with the line number for the sentence that refuses one."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from stripwatch.export.runs.files import read_whole
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.text_encoding import decode_utf8

Row = dict[str, str]


def read_rows(path: Path) -> tuple[list[str], Iterator[tuple[str, Row]]]:
    """The columns, and ("FILE line N", row) for each line; cells are stripped. A file saved by Excel is read too.

    Raises InputError or DataError, with the path, for a file that cannot be read or is no table.
    """
    try:
        text = decode_utf8(read_whole(path))
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error
    header = text.partition("\n")[0]
    separator = ";" if header.count(";") > header.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [column.strip() for column in reader.fieldnames or []], _rows(path, reader)


def _rows(path: Path, reader: "csv.DictReader[str]") -> Iterator[tuple[str, Row]]:
    try:
        for row in reader:
            where = f"{path} line {reader.line_num}"
            if None in row or None in row.values():
                raise DataError(f"{where} has not as many cells as there are columns")
            yield where, {column.strip(): cell.strip() for column, cell in row.items()}
    except csv.Error as error:
        raise DataError(f"{path} line {reader.line_num + 1} is no CSV: {error}") from error
