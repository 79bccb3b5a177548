"""Reading of JSON files with annotations."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from stripwatch.worker.common.atomic_files import read_whole
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.text_encoding import decode_utf8

Kind = TypeVar("Kind")


def load_json(path: Path) -> Any:
    """Return the content of a JSON file. Raises DataError, with the path, if it is not JSON."""
    try:
        return msgspec.json.decode(decode_utf8(read_whole(path)))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error


def convert(value: Any, kind: type[Kind], path: Path, name: str) -> Kind:
    """Return a decoded JSON value as a struct. Raises DataError, with the path, if fields are missing or wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise DataError(f"{path} is not {name}: {error}") from error
