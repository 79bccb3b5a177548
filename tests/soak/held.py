"""What a process holds, how that grows, and the cores on which it runs."""

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
    """What a process holds."""

    rss_mb: float
    threads: int
    files: int
    sockets: int


def held_by(pid: int) -> Held:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():  # psutil counts no socket that is not connected yet
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(entry.readlink()))
    sockets = sum(link.startswith("socket:") for link in links)
    return Held(resident_mb(pid) or 0.0, psutil.Process(pid).num_threads(), len(links) - sockets, sockets)


def steadily_held_by(pid: int) -> Held:
    """The least of several looks: a thread that answers a request, or loads a model, comes and goes."""
    looks = []
    for _ in range(_LOOKS):
        looks.append(held_by(pid))
        time.sleep(_LOOK_S)
    return Held(*(min(getattr(look, field.name) for look in looks) for field in fields(Held)))


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Of the line through points: the median of the slopes between any two (Theil-Sen), which no peak can bend."""
    pairs = itertools.combinations(samples, 2)
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """What starts in the block, and this thread during it, runs on these cores alone; on any if there are none."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def split_cores() -> tuple[list[int], list[int]]:
    """Half for the worker, the rest for broker and sender; none of its own where there is one core."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    return (cores[-half:], cores[:-half]) if half else ([], cores)
