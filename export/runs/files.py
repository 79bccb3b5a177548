"""Atomic file writes, and reads that raise InputError."""

from pathlib import Path

from stripwatch.worker.common.atomic_files import atomic_write, is_temporary
from stripwatch.worker.common.errors import InputError

__all__ = ["atomic_write", "is_temporary", "read_whole"]


def read_whole(path: Path) -> bytes:
    """Return the bytes of a file. Raises InputError, with the path, if it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
