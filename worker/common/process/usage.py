"""CPU time and memory of processes and their descendants."""

from collections.abc import Callable

import psutil

_TRIES_MAX = 5  # a process that ends during the sum makes it wrong


def process_tree(*pids: int) -> list[psutil.Process]:
    """Return the processes and their descendants, each parent before its children, without those that have ended."""
    found: list[psutil.Process] = []
    for pid in pids:
        try:
            root = psutil.Process(pid)
            found += [root, *root.children(recursive=True)]
        except (psutil.Error, OSError):  # it has ended, or this process has no free file descriptor
            continue
    return found


def cpu_seconds(*pids: int | None) -> float | None:
    """Return user plus system time in seconds of the processes and their descendants, including ended descendants.

    None if none of the processes is running.
    """

    def used(process: psutil.Process) -> float:
        times = process.cpu_times()
        # Linux adds the time of a child to its parent only when the parent waits for it.
        return times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)

    return _sum_of_tree(used, *pids)


def resident_mb(*pids: int | None) -> float | None:
    """Return the resident memory in MB of the processes and their descendants; shared pages count for each process.

    None if none of the processes is running.
    """
    resident = _sum_of_tree(lambda process: process.memory_info().rss, *pids)
    return None if resident is None else round(resident / 1e6, 1)


def _sum_of_tree(measure: Callable[[psutil.Process], float], *pids: int | None) -> float | None:
    """Sum a value over the tree. Repeated if a process ended, since its time may not yet be counted by its parent."""
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
