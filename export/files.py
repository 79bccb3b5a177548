"""Files that are whole or not there."""

from pathlib import Path

from worker.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file beside its place, then move it there. Raises InputError, with the path, when that fails."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder, with those above it, where there is none. Raises InputError, with the path."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error


def read_whole(path: Path) -> bytes:
    """The bytes of a file. Raises InputError, with the path, when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
