"""CPU time and memory of processes and of all that they have started."""

from collections.abc import Callable

import psutil

_TRIES_MAX = 5  # a process that ends while it is counted makes the sum wrong


def process_tree(*pids: int) -> list[psutil.Process]:
    """The processes and all below them, each parent before its children. Those that have ended are left out."""
    found: list[psutil.Process] = []
    for pid in pids:
        try:
            root = psutil.Process(pid)
            found += [root, *root.children(recursive=True)]
        except (psutil.Error, OSError):  # ended, or this process has no file descriptor left to ask with
            continue
    return found


def cpu_seconds(*pids: int | None) -> float | None:
    """User and system time that the processes and all below them have used, with those below that have ended.

    None where no process is left to ask.
    """

    def used(process: psutil.Process) -> float:
        times = process.cpu_times()
        # Linux adds the time of a child to that of its parent when the parent waits for it, and not before.
        return times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)

    return _sum_of_tree(used, *pids)


def resident_mb(*pids: int | None) -> float | None:
    """Resident memory of the processes and all below them, where shared pages count for each. None as above."""
    resident = _sum_of_tree(lambda process: process.memory_info().rss, *pids)
    return None if resident is None else round(resident / 1e6, 1)


def _sum_of_tree(measure: Callable[[psutil.Process], float], *pids: int | None) -> float | None:
    """The sum over the tree. It is taken again where a process has ended meanwhile, since its time was on its way."""
    values: list[float] = []
    for _ in range(_TRIES_MAX):
        values, ended = [], False
        for process in process_tree(*(pid for pid in pids if pid is not None)):
            try:
                values.append(measure(process))
            except psutil.Error:
                ended = True
        if not ended:
            break
    return sum(values) if values else None
