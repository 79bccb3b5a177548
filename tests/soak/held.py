"""Resources of a process (memory, threads, files, sockets), their growth, and the cores it runs on."""

import itertools
import os
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from stripwatch.worker.common.process.usage import resident_mb

_LOOKS = 20
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Held:
    """Resources of a process."""

    rss_mb: float
    threads: int
    files: int
    sockets: int


def held_by(pid: int) -> Held:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():  # psutil does not count sockets that are not connected yet
        with suppress(FileNotFoundError):  # closed in the meantime
            links.append(str(entry.readlink()))
    sockets = sum(link.startswith("socket:") for link in links)
    return Held(resident_mb(pid) or 0.0, psutil.Process(pid).num_threads(), len(links) - sockets, sockets)


def steadily_held_by(pid: int) -> Held:
    """Return the minimum of several samples: threads that answer a request or load a model are temporary."""
    looks = []
    for _ in range(_LOOKS):
        looks.append(held_by(pid))
        time.sleep(_LOOK_S)
    return Held(*(min(getattr(look, field.name) for look in looks) for field in fields(Held)))


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Return the Theil-Sen slope, the median of all pairwise slopes, which outliers do not distort."""
    pairs = itertools.combinations(samples, 2)
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """Pin this thread, and processes started in the block, to these cores; to all cores if there are none."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def split_cores() -> tuple[list[int], list[int]]:
    """Return the worker's half of the cores, and the others; the worker shares the core if there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    return (cores[-half:], cores[:-half]) if half else ([], cores)
