"""Files that are whole or not there."""

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
    """Write a new file beside its place, then move it there; nobody ever sees half of it, also after a power cut.

    like: the file gets this mode and, where this process may give it, this owner. Raises InputError, with the path,
    when that fails; what stood there before still stands. A process that is killed may leave the new file: it is
    hidden, `is_temporary` knows its name, and no later run is in its way.
    """
    part = path.parent / f".stripwatch-{secrets.token_hex(8)}.part"
    try:
        # until it has the mode of the old file, nobody else may read what may hold a password
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
        with suppress(OSError):  # on a disk that turned read-only it stays, and the first error is the telling one
            part.unlink(missing_ok=True)
        raise _failed(path, error) from error


@contextmanager
def named_when_whole(path: Path) -> Iterator[Path]:
    """For what takes long to write: a file or folder is called NAME.part until the block ends well.

    What an error or a kill cuts off keeps that name. Raises the OSError of the move.
    """
    part = path.with_name(path.name + PART)
    yield part
    part.replace(path)


def is_temporary(name: str) -> bool:
    """Whether a file has such a name as `atomic_write` gives it until it is whole."""
    return _TEMPORARY.fullmatch(name) is not None


def _failed(path: Path, error: Exception) -> InputError:
    return InputError(f"cannot write {path}: {getattr(error, 'strerror', error)}")


def _set_access(handle: int, like: os.stat_result) -> None:
    with suppress(PermissionError):  # only root gives a file to another user
        os.fchown(handle, like.st_uid, like.st_gid)
    os.fchmod(handle, stat.S_IMODE(like.st_mode))


def _sync_folder(folder: Path) -> None:
    """The name itself reaches the disk. Some network drives know no such thing, and need none."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
