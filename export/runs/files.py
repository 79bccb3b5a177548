"""Files that are whole or not there."""

from pathlib import Path

from stripwatch.worker.common.atomic_files import atomic_write, is_temporary
from stripwatch.worker.common.errors import InputError

__all__ = ["atomic_write", "is_temporary", "make_folder", "read_whole"]


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, where there is none. Raises InputError, with the path."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot make the folder {path}: {getattr(error, 'strerror', error)}") from error


def read_whole(path: Path) -> bytes:
    """The bytes of a file. Raises InputError, with the path, when it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
