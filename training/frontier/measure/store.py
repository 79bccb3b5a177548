"""Stored measurements of a search. A repeated or interrupted search continues with them."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.worker.common.atomic_files import rename_when_complete
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.path_text import path_text

Arrays = dict[str, NDArray[Any]]
T = TypeVar("T")
TEMPORARY = ("features-*.npz", "graph-*.onnx")  # large, and only needed until the search is finished


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of measurements. Each file is named by a hash of everything that it depends on (`key_of`)."""

    folder: Path

    def read_arrays(self, kind: str, key: str) -> Arrays | None:
        """Return stored arrays by name; None if there are none or the file is damaged."""
        path = self._path(kind, key, "npz")
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def write_arrays(self, kind: str, key: str, arrays: Arrays) -> None:
        """Store arrays. Raises InputError if they cannot be written."""
        path = self._path(kind, key, "npz")
        make_folder(self.folder)
        try:
            with rename_when_complete(path) as part, part.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # its other parameter has a default
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(f"cannot write {path_text(path)}: {error.strerror or error}") from error

    def read_record(self, kind: str, key: str, form: type[T]) -> T | None:
        """Return a stored record; None if there is none or another version wrote it."""
        path = self._path(kind, key, "json")
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(read_whole(path), type=form)
        except msgspec.MsgspecError:
            return None

    def write_record(self, kind: str, key: str, record: object) -> None:
        """Store a record. Raises InputError if it cannot be written."""
        self._write(self._path(kind, key, "json"), msgspec.json.encode(record))

    def read_graph(self, key: str) -> bytes | None:
        """Return a stored ONNX graph, or None."""
        path = self._path("graph", key, "onnx")
        return read_whole(path) if path.exists() else None

    def write_graph(self, key: str, model: bytes) -> None:
        """Store an ONNX graph. Raises InputError if it cannot be written."""
        self._write(self._path("graph", key, "onnx"), model)

    def remove_temporary(self) -> None:
        """Remove what is large and was only needed during the search."""
        for pattern in TEMPORARY:
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)

    def _path(self, kind: str, key: str, suffix: str) -> Path:
        return self.folder / f"{kind}-{key}.{suffix}"

    def _write(self, path: Path, data: bytes) -> None:
        make_folder(self.folder)
        atomic_write(path, data)
