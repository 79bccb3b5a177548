"""A file system of its own for a broker's data, which can be full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BYTES = 8_000_000_000  # in memory, and only as much of it as there is data


@dataclass(frozen=True, slots=True)
class Disk:
    """folder: where it is mounted."""

    folder: Path

    def fill(self) -> None:
        """From now on it has no room: writes end with ENOSPC."""
        used = shutil.disk_usage(self.folder).used
        _mount("-o", f"remount,size={used}", str(self.folder))

    def empty(self) -> None:
        _mount("-o", f"remount,size={_BYTES}", str(self.folder))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """A tmpfs mounted at the folder while the block lasts; None where we may not mount one (it takes root)."""
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
        raise PermissionError("mount takes root")
    subprocess.run(["mount", *arguments], check=True, capture_output=True)
