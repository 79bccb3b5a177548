"""No test waits: the test decides what time it is, and when ten seconds have passed."""

from collections.abc import Callable

import pytest
from rich.progress import Progress, TaskID

from stripwatch.worker.common.terminal.progress import LINE_EVERY_S, ProgressLines, duration, one_step


class Work:
    """Long work as a list of steps. The thread that prints the lines does one step before each of its lines."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self._steps = list(steps)
        self.progress = ProgressLines(self.lines.append, wait=self._wait, get_time=lambda: self.now_s)

    def run(self, *steps: Callable[[], object]) -> list[str]:
        self._steps = list(steps)
        with self.progress:
            assert self.progress._thread is not None
            self.progress._thread.join()
        return self.lines

    def _wait(self, seconds: float) -> bool:
        assert seconds == LINE_EVERY_S
        if not self._steps:
            return True
        self.now_s += seconds
        self._steps.pop(0)()
        return False


def advance(progress: Progress, task: TaskID, by: float) -> Callable[[], None]:
    return lambda: progress.advance(task, by)


def test_prints_count_total_rate_and_remaining_time_every_ten_seconds() -> None:
    work = Work()
    task = work.progress.add_task("features", total=4800)
    step = advance(work.progress, task, 400)
    assert work.run(step, step, step) == [
        "features: 400 of 4,800 (8 %), 10 s so far",
        "features: 800 of 4,800 (17 %), 40 per second, 1 min 40 s left",
        "features: 1,200 of 4,800 (25 %), 40 per second, 1 min 30 s left",
    ]


def test_a_step_without_a_count_prints_how_long_it_has_taken() -> None:
    work = Work()
    work.progress.add_task("converting to ONNX", total=None)
    assert work.run(lambda: None, lambda: None) == [
        "converting to ONNX: 10 s so far",
        "converting to ONNX: 20 s so far",
    ]


def test_prints_nothing_between_two_tasks() -> None:
    work = Work()
    task = work.progress.add_task("reading", total=10)
    assert work.run(advance(work.progress, task, 10)) == []


def test_prints_the_task_that_moved_last() -> None:
    """Early stopping leaves the task of an earlier stage unfinished."""
    work = Work()
    work.progress.add_task("head, 10 epochs", total=100)
    work.progress.add_task("validating", total=20)
    (line,) = work.run(lambda: None)
    assert line.startswith("validating: 0 of 20")


def test_prints_nothing_before_the_first_task_and_stops_with_the_work() -> None:
    assert Work().run(lambda: None) == []
    idle = ProgressLines(lambda line: pytest.fail(line))
    with idle:
        pass
    assert idle._thread is not None
    assert not idle._thread.is_alive()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.4, "0 s"), (42, "42 s"), (59.6, "1 min 00 s"), (130, "2 min 10 s"), (3900, "1 h 05 min")],
)
def test_duration_has_its_two_largest_units(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


def test_a_step_that_cannot_be_counted_ends() -> None:
    work = Work()
    with one_step(work.progress, "converting to ONNX"):
        during = work.progress.finished
    assert (during, work.progress.finished) == (False, True)
    assert work.run(lambda: None) == []
