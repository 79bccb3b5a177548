"""A separate file system for a broker's data that can be filled."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_BYTES = 8_000_000_000  # in memory, which is used only for the data written

_TRIES = 100


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system with limited space. folder: its mount point."""

    folder: Path

    def fill(self) -> None:
        """Leave no free space, so that writes fail with ENOSPC."""
        for _ in range(_TRIES):  # more may be written between reading the size and remounting
            with suppress(subprocess.CalledProcessError):
                _mount("-o", f"remount,size={shutil.disk_usage(self.folder).used}", str(self.folder))
                return
        raise OSError(f"cannot shrink {self.folder} to the size of its data")

    def empty(self) -> None:
        _mount("-o", f"remount,size={_BYTES}", str(self.folder))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """Mount a tmpfs at the folder while the block lasts; yield None if mounting is not permitted (needs root)."""
    try:
        _mount("-t", "tmpfs", "-o", f"size={_BYTES}", "stripwatch-faults", str(folder))
    except (OSError, subprocess.CalledProcessError):
        yield None
        return
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        raise PermissionError("mounting needs root")
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
