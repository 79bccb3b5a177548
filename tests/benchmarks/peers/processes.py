"""The processes below our children: what they cost, and their end. Model servers start others of their own."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from stripwatch.worker.bench.workloads import cpu_seconds
from stripwatch.worker.common.process.child_process import ChildProcess

_END_S_MAX = 5.0
_LOOK_S = 0.05


def family(pids: Iterable[int]) -> list[int]:
    """These processes and all below them, by /proc; they alone where there is none."""
    below = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            below[int(entry.read_text().rpartition(")")[2].split()[1])].append(int(entry.parent.name))
    found, left = list[int](), list(pids)
    while left:
        found.append(left.pop())
        left += below[found[-1]]
    return found


def cpu_seconds_of(pids: Iterable[int]) -> float | None:
    """Of these and all below them, as far as they still run; None where the machine does not tell."""
    spent = [seconds for pid in pids if (seconds := cpu_seconds(pid)) is not None]
    return sum(spent) if spent else None


def end_all(children: Sequence[ChildProcess], stop_s_max: float) -> None:
    """Ask them all to end at once, then end what is left of them and of what they started."""
    started = [(pid, began) for pid in family(child.process.pid for child in children) if (began := _began(pid))]
    for child in children:
        if not child.ended:
            child.process.terminate()
    for child in children:
        child.stop(stop_s_max)
    deadline_s = time.monotonic() + _END_S_MAX
    left = started
    while (left := [(pid, began) for pid, began in left if _began(pid) == began]) and time.monotonic() < deadline_s:
        for pid, _ in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_S)


def _began(pid: int) -> str | None:
    """When it was started, which tells it from a later one of its number; None if it is gone, or only waits to be."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]
