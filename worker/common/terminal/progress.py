"""Progress of long work: a bar on a terminal, and a line every ten seconds in a pipe or a log file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY_S = 10.0


class ProgressLines(Progress):
    """Progress for an output that is not a terminal: a line about the current task every ten seconds.

    A thread prints the lines, so that a step that takes minutes does not leave the reader without a sign of life.

    Args:
        print_line: Receives each line.
        console: Console of the base class, which draws nothing on it.
        wait: Waits up to that many seconds for the end of the work, and returns True once it has ended.
        get_time: Returns monotonic seconds.
    """

    def __init__(
        self,
        print_line: Callable[[str], None],
        console: Console | None = None,
        wait: Callable[[float], bool] | None = None,
        get_time: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(console=console, disable=True, get_time=get_time)
        self._print_line = print_line
        self._ended = threading.Event()
        self._wait = wait or self._ended.wait
        self._current: TaskID | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread that prints the lines."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="progress-lines", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread. No line is printed after that."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def add_task(self, *args: Any, **kwargs: Any) -> TaskID:
        self._current = super().add_task(*args, **kwargs)
        return self._current

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        self._current = task_id
        super().advance(task_id, advance)

    def update(self, task_id: TaskID, *args: Any, **kwargs: Any) -> None:
        self._current = task_id
        super().update(task_id, *args, **kwargs)

    def _run(self) -> None:
        while not self._wait(LINE_EVERY_S):
            with self._lock:
                task = None if self._current is None else self._tasks.get(self._current)
                line = None if task is None or task.finished else progress_line(task)
            if line is not None:
                self._print_line(line)


@contextmanager
def one_step(progress: Progress, title: str) -> Iterator[None]:
    """Show a step of long work that cannot be counted."""
    task = progress.add_task(title, total=None)
    yield
    progress.update(task, total=1, completed=1)


def progress_line(task: Task) -> str:
    """Return the state of a task as one line: count, total, rate and remaining time, as far as they are known."""
    parts = []
    if task.total is not None:
        parts.append(f"{task.completed:,.0f} of {task.total:,.0f} ({task.percentage:.0f} %)")
    elif task.completed:
        parts.append(f"{task.completed:,.0f}")
    if task.speed and task.completed:
        parts.append(f"{_rate(task.speed)} per second")
    if task.time_remaining is not None and task.completed:
        parts.append(f"{duration(task.time_remaining)} left")
    else:
        parts.append(f"{duration(task.elapsed or 0)} so far")
    return f"{task.description}: {', '.join(parts)}"


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def duration(seconds: float) -> str:
    """Return a duration as text with its two largest units, such as "2 min 10 s"."""
    minutes, rest_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest_s:02} s" if minutes else f"{rest_s} s"


def progress_bar(console: Console) -> Progress:
    """Return a progress bar with the remaining time, for a terminal."""
    return Progress(
        TextColumn("{task.description}", markup=False),  # a name in the description may have brackets
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
