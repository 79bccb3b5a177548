"""Name of a worker in Kafka, used as static member id in its group and as transactional id.

A process that replaces a dead one must have the same name, and two running processes must not share a name. The host
name is not sufficient: several workers may run on one host, and machines cloned from one image, or containers on the
host network, share a host name. Therefore each worker locks the first free file in a folder of its host. The file
contains a random part of the name, created when it was first locked. The kernel releases the lock when the process ends
for any reason.
"""

import fcntl
import hashlib
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import structlog

from stripwatch.worker.config.settings import Settings

log = structlog.get_logger()

_WORKERS_MAX = 1000  # of one group on one host
_HOST_CHARACTERS_MAX = 64
_FOLDER_TRIES = 100  # every other process that ends may remove the empty folder once
_TOKEN = re.compile(rb"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class MemberName:
    """Name of a worker. lock_fds: descriptors that lock the name, also in a child process that inherits them."""

    text: str
    lock_fds: Sequence[int] = ()


@contextmanager
def claimed_name(settings: Settings) -> Iterator[MemberName]:
    """Yield the name of this process: `instance_id`, or a name claimed on this host for the duration of the block.

    If the block ends without an error, the worker has left its group and the name is released. Otherwise it is kept for
    the next process. If no file can be locked, the name is valid only for this start, and a warning is logged.
    """
    if settings.instance_id:
        yield MemberName(settings.instance_id)
        return
    folder = names_folder(settings)
    try:
        fd, path = _lock_first_free(folder)
    except OSError as error:
        log.warning(
            "the worker's name will change with a restart, because its folder cannot be used; set instance_id",
            error=str(error),
        )
        yield MemberName(_name(uuid4().hex[:8]))
        return
    try:
        yield MemberName(_name(_token(fd)), (fd,))
        with suppress(OSError):  # the folder is in use by other workers, or was removed
            path.unlink()
            folder.rmdir()
    finally:
        os.close(fd)


def names_folder(settings: Settings) -> Path:
    """Return the folder for the names of a group: in systemd's RUNTIME_DIRECTORY, the user's runtime folder or /tmp."""
    group = hashlib.sha256(f"{settings.bootstrap_servers}\n{settings.group_id}".encode()).hexdigest()[:16]
    return _runtime_folder() / "names" / group


def _runtime_folder() -> Path:
    if service := os.environ.get("RUNTIME_DIRECTORY"):  # systemd.exec(5): several folders are separated by colons
        return Path(service.split(":")[0])
    if user := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(user, "stripwatch")
    return Path(tempfile.gettempdir(), f"stripwatch-{os.getuid()}")


def _lock_first_free(folder: Path) -> tuple[int, Path]:
    """Lock the first free file, and return its descriptor and path. Raises OSError."""
    for number in range(_WORKERS_MAX):
        path = folder / str(number)
        fd = _open(path)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if not isinstance(error, BlockingIOError):
                raise
            continue
        if os.fstat(fd).st_nlink:  # otherwise its previous owner has just removed it
            return fd, path
        os.close(fd)
    raise OSError(f"all {_WORKERS_MAX} names in {folder} are in use")


def _open(path: Path) -> int:
    """Open a file of the folder, creating both if necessary. Raises OSError."""
    for _ in range(_FOLDER_TRIES):
        with suppress(FileNotFoundError):  # a process that ended has just removed the folder
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_own_folders(path.parent)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    raise FileNotFoundError(f"{path.parent} is removed repeatedly")


def _require_own_folders(folder: Path) -> None:
    """Raise PermissionError if a folder up to the runtime folder belongs to another user, which is possible in /tmp.

    The folder of a service may be a link that belongs to root, as created by systemd with DynamicUser.
    """
    for part in (folder, *folder.parents):
        if part.lstat().st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{part} belongs to another user")
        if part == _runtime_folder():
            return


def _token(fd: int) -> str:
    """Return the random part of the name from the file, creating it if necessary. The caller holds the lock."""
    kept = os.pread(fd, 64, 0)
    if not _TOKEN.fullmatch(kept):
        kept = uuid4().hex[:8].encode()
        os.ftruncate(fd, 0)
        os.pwrite(fd, kept, 0)
    return kept.decode()


def _name(token: str) -> str:
    """Return the name with the characters that Kafka allows, which are those of topic names."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:_HOST_CHARACTERS_MAX]
    return f"{host}-{token}"
