"""A file that is whole or not there, also after a power cut."""

import os
from contextlib import suppress
from pathlib import Path

from stripwatch.worker.common.errors import InputError


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file beside its place, then move it there; nobody ever sees half of it.

    Raises InputError, with the path, when that fails; what stood there before still stands.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # on a disk that turned read-only it stays, and the first error is the telling one
            part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """The name itself reaches the disk. Some network drives know no such thing, and need none."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
