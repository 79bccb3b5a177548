"""Number of cores that this process may use, by CPU affinity and the CPU quota of its control groups (cgroups(7))."""

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_V1_CONTROLLER = "cpu"


@dataclass(frozen=True, slots=True)
class _Mount:
    """Mounted hierarchy of control groups.

    Attributes:
        folder: Mount point.
        root: Control group that is mounted there.
        v2: True for the unified hierarchy.
    """

    folder: Path
    root: PurePosixPath
    v2: bool


def usable_cores(root: Path = Path("/")) -> int:
    """Return the number of usable cores, at least 1; a quota is rounded up. root: file system root, for tests."""
    allowed = allowed_cores()
    quotas = [quota for mount, group in _groups(root) for quota in _quotas(mount, group)]
    return max(1, min([allowed, *(-(-quota // period) for quota, period in quotas)]))


def allowed_cores() -> int:
    """Return the number of cores in the CPU affinity, as set by `taskset` and cpusets, without quotas."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_name() -> str:
    """Return the processor model, such as "AMD EPYC 9354"; the architecture if the system does not report it."""
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def library_threads() -> int:
    """Return the number of threads to set for a library that starts one per core of the machine by default.

    0, the library's default, if this process may use all cores.
    """
    cores = usable_cores()
    return cores if cores < (os.cpu_count() or 1) else 0


def limit_library_threads() -> None:
    """Limit the threads of OpenBLAS, which NumPy uses, to the usable cores. Call before NumPy is imported.

    OpenBLAS starts one thread per core of the machine when it is loaded, regardless of quotas. A value that the user
    has set is kept.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(usable_cores()))


def _groups(root: Path) -> Iterator[tuple[_Mount, PurePosixPath]]:
    """Yield each hierarchy that can limit the CPU, with the group of this process in it."""
    mounts = _mounts(root)
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        v2 = number == "0" and not controllers
        if v2 or _V1_CONTROLLER in controllers.split(","):
            yield from ((mount, PurePosixPath(path)) for mount in mounts if mount.v2 == v2)


def _mounts(root: Path) -> list[_Mount]:
    """Parse proc_pid_mountinfo(5): ID PARENT DEVICE ROOT FOLDER OPTIONS [FIELDS] - TYPE SOURCE OPTIONS."""
    mounts = []
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, (kind, *rest) = before.split(), after.split() or [""]
        v1 = kind == "cgroup" and _V1_CONTROLLER in rest[-1].split(",")
        if len(fields) > 4 and (v1 or kind == "cgroup2"):
            folder = root / fields[4].lstrip("/")
            mounts.append(_Mount(folder, PurePosixPath(fields[3]), kind == "cgroup2"))
    return mounts


def _quotas(mount: _Mount, group: PurePosixPath) -> Iterator[tuple[int, int]]:
    """Yield quota and period, in microseconds, of a group and its ancestors, since limits apply to all descendants.

    If the mount does not contain the group, as in a container, the mount point itself is the group.
    """
    inside = group.relative_to(mount.root) if group.is_relative_to(mount.root) else PurePosixPath()
    parts = [] if ".." in inside.parts else [part for part in inside.parts if part != "/"]
    for depth in range(len(parts), -1, -1):
        folder = mount.folder.joinpath(*parts[:depth])
        with suppress(OSError, ValueError):  # no limit: no file, "max" or -1
            quota, period = _read_v2(folder) if mount.v2 else _read_v1(folder)
            if quota > 0 and period > 0:
                yield quota, period


def _read_v2(folder: Path) -> tuple[int, int]:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota), int(period)


def _read_v1(folder: Path) -> tuple[int, int]:
    return int((folder / "cpu.cfs_quota_us").read_text()), int((folder / "cpu.cfs_period_us").read_text())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:  # not Linux
        return []
