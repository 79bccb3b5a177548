"""Files that are either complete or absent, and reading of whole files."""

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from stripwatch.worker.common.errors import InputError

PART = ".part"
_TEMPORARY = re.compile(r"\.stripwatch-[0-9a-f]{16}\.part")
_ONCE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def atomic_write(path: Path, data: bytes, like: os.stat_result | None = None) -> None:
    """Write a file atomically: write a temporary file in the same folder, then rename it.

    Readers never see a partial file, even after a power failure. If writing fails, an existing file stays unchanged. A
    process that is killed may leave the temporary file. It is hidden, `is_temporary` recognizes its name, and later
    calls do not collide with it.

    Args:
        path: File to write.
        data: Content.
        like: Status of a file whose mode and, if this process may set it, owner the new file gets.

    Raises:
        InputError: The file cannot be written. The message names the path.
    """
    part = path.parent / f".stripwatch-{secrets.token_hex(8)}.part"
    try:
        # it may contain a password, so other users must not read it before it has the mode of the old file
        handle = os.open(part, _ONCE, 0o666 if like is None else 0o600)
    except (OSError, ValueError) as error:
        raise _failed(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            if like is not None:
                _set_access(file.fileno(), like)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except (OSError, ValueError) as error:
        with suppress(OSError):  # fails on a disk that became read-only; the first error is the cause
            part.unlink(missing_ok=True)
        raise _failed(path, error) from error


@contextmanager
def rename_when_complete(path: Path) -> Iterator[Path]:
    """Yield the path NAME.part, and rename it to NAME if the block succeeds.

    For files and folders that take long to write. After an error or a kill the incomplete output keeps the name
    NAME.part. Raises OSError if renaming fails.
    """
    part = path.with_name(path.name + PART)
    yield part
    part.replace(path)


def is_temporary(name: str) -> bool:
    """Return whether a file name is that of a temporary file of `atomic_write`."""
    return _TEMPORARY.fullmatch(name) is not None


def _failed(path: Path, error: Exception) -> InputError:
    return InputError(f"cannot write {path}: {getattr(error, 'strerror', error)}")


def _set_access(handle: int, like: os.stat_result) -> None:
    with suppress(PermissionError):  # only root may change the owner
        os.fchown(handle, like.st_uid, like.st_gid)
    os.fchmod(handle, stat.S_IMODE(like.st_mode))


def _sync_folder(folder: Path) -> None:
    """Write the directory entry to disk. Some network file systems do not support this and do not need it."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_whole(path: Path) -> bytes:
    """Return the bytes of a file. Raises InputError, with the path, if it cannot be read."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
