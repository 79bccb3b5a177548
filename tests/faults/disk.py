"""A file system of its own for a broker's data, which can be full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_BYTES = 8_000_000_000  # in memory, and only as much of it as there is data

_TRIES = 100


@dataclass(frozen=True, slots=True)
class Disk:
    """folder: where it is mounted."""

    folder: Path

    def fill(self) -> None:
        """From now on it has no room: writes end with ENOSPC."""
        for _ in range(_TRIES):  # more may be written between the look and the step
            with suppress(subprocess.CalledProcessError):
                _mount("-o", f"remount,size={shutil.disk_usage(self.folder).used}", str(self.folder))
                return
        raise OSError(f"{self.folder} cannot be made as small as what is on it")

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
