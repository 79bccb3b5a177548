"""The name by which Kafka knows a worker: as a static member of its group, and in its transactions.

A process that starts again in the place of a dead one must have the dead one's name, and no two processes that live at
the same time may share one. The host name alone does not serve: two workers run on one host, and boxes that were cloned
from one image, or containers on the host's network, share their host's name. So each worker locks a file in a folder of
its host, the first that is free. The file holds a random part of the name, made when it was first locked, and the
kernel releases the lock when the process ends, however it ends.
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
_FOLDER_TRIES = 100  # each other process that ends may remove the empty folder once
_TOKEN = re.compile(rb"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class MemberName:
    """lock_fds: hold the name; a child process that keeps them open keeps the name taken."""

    text: str
    lock_fds: Sequence[int] = ()


@contextmanager
def claimed_name(settings: Settings) -> Iterator[MemberName]:
    """The name of this process while the block lasts: `instance_id`, else one that it claims on this host.

    A block that ends well has left the group, so its name is forgotten; after any other end it is kept for the next
    process. Where no file can be locked the name is made for this start alone, and the log says so.
    """
    if settings.instance_id:
        yield MemberName(settings.instance_id)
        return
    folder = names_folder(settings)
    try:
        fd, path = _lock_first_free(folder)
    except OSError as error:
        log.warning(
            "this worker's name does not outlast a restart: its folder cannot be used; set instance_id",
            error=str(error),
        )
        yield MemberName(_name(uuid4().hex[:8]))
        return
    try:
        yield MemberName(_name(_token(fd)), (fd,))
        with suppress(OSError):  # others have names in the folder, or somebody removed it
            path.unlink()
            folder.rmdir()
    finally:
        os.close(fd)


def names_folder(settings: Settings) -> Path:
    """Where the names of one group lie on this host: systemd's folder of the service, else the user's, else /tmp."""
    group = hashlib.sha256(f"{settings.bootstrap_servers}\n{settings.group_id}".encode()).hexdigest()[:16]
    return _runtime_folder() / "names" / group


def _runtime_folder() -> Path:
    if service := os.environ.get("RUNTIME_DIRECTORY"):  # as systemd.exec(5) has it: several are separated by a colon
        return Path(service.split(":")[0])
    if user := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(user, "stripwatch")
    return Path(tempfile.gettempdir(), f"stripwatch-{os.getuid()}")


def _lock_first_free(folder: Path) -> tuple[int, Path]:
    """A descriptor that holds the lock, and its file. Raises OSError."""
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
        if os.fstat(fd).st_nlink:  # else its last owner has just removed it
            return fd, path
        os.close(fd)
    raise OSError(f"{folder} holds {_WORKERS_MAX} names that are all in use")


def _open(path: Path) -> int:
    """Raises OSError."""
    for _ in range(_FOLDER_TRIES):
        with suppress(FileNotFoundError):  # a process that ended has just removed the folder
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_own_folders(path.parent)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    raise FileNotFoundError(f"{path.parent} is removed again and again")


def _require_own_folders(folder: Path) -> None:
    """Up to the runtime folder: in /tmp somebody else may have been there first. Raises PermissionError.

    The folder of a service may be a link that belongs to root, as systemd makes it with DynamicUser.
    """
    for part in (folder, *folder.parents):
        if part.lstat().st_uid not in (os.getuid(), 0):
            raise PermissionError(f"{part} belongs to another user")
        if part == _runtime_folder():
            return


def _token(fd: int) -> str:
    """The random part, which the file keeps. Whoever calls holds the lock."""
    kept = os.pread(fd, 64, 0)
    if not _TOKEN.fullmatch(kept):
        kept = uuid4().hex[:8].encode()
        os.ftruncate(fd, 0)
        os.pwrite(fd, kept, 0)
    return kept.decode()


def _name(token: str) -> str:
    """Kafka takes the characters of a topic's name."""
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:_HOST_CHARACTERS_MAX]
    return f"{host}-{token}"
