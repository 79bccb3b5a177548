"""The queue of searches. Events, not times, decide when a search ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.dashboard.past.errors import BusyError, CancelledError, NotOnKafkaError, TooLongError
from stripwatch.worker.dashboard.past.jobs import Job, JobQueue, Outcome, Watch
from tests.waiting import wait_until


@contextmanager
def running(**options: Any) -> Iterator[JobQueue]:
    queue = JobQueue(**options)
    queue.start()
    try:
        yield queue
    finally:
        queue.stop()


class Blocked:
    """Work that reports its start and goes on when it is released, checking the watch all the time."""

    def __init__(self) -> None:
        self.started, self.released = threading.Event(), threading.Event()

    def __call__(self, watch: Watch) -> Outcome[str]:
        self.started.set()
        while not self.released.wait(0.005):
            watch.step(1, 2)
        return Outcome("done", fresh_s=60)


def value(text: str, fresh_s: float = 0) -> Callable[[Watch], Outcome[str]]:
    return lambda _: Outcome(text, fresh_s=fresh_s)


def outcome(job: Job[Any]) -> Outcome[Any]:
    wait_until(lambda: job.outcome is not None)
    assert job.outcome is not None
    return job.outcome


def test_viewers_of_the_same_search_share_one_job() -> None:
    work = Blocked()
    with running() as queue:
        first, second = queue.join("a", work), queue.join("a", work)
        assert first is second
        queue.leave(second)
        work.released.set()
        assert outcome(first).value == "done"


def test_search_is_cancelled_when_its_last_viewer_leaves() -> None:
    work = Blocked()
    with running() as queue:
        job = queue.join("a", work)
        assert work.started.wait(30)
        queue.leave(job)
        assert isinstance(outcome(job).error, CancelledError)
        again = queue.join("a", value("new"))
        assert again is not job
        assert outcome(again).value == "new"


def test_search_that_waits_is_dropped_when_its_viewer_leaves() -> None:
    work, later = Blocked(), Blocked()
    with running() as queue:
        first, waiting = queue.join("a", work), queue.join("b", later)
        assert work.started.wait(30)
        assert queue.progress(waiting).ahead == 1
        queue.leave(waiting)
        work.released.set()
        assert outcome(first).value == "done"
        assert outcome(queue.join("c", value("c"))).value == "c"
        assert not later.started.is_set()


def test_result_is_reused_while_it_is_fresh() -> None:
    now_s = [100.0]
    with running(monotonic=lambda: now_s[0]) as queue:
        first = queue.join("a", value("one", fresh_s=10))
        outcome(first)
        now_s[0] += 9
        assert queue.join("a", value("two")) is first
        now_s[0] += 2
        assert outcome(queue.join("a", value("two"))).value == "two"


def test_refuses_more_searches_than_the_queue_holds() -> None:
    work, failures = Blocked(), list[str]()
    with running(failed=failures.append) as queue:
        queue.join("first", work)
        assert work.started.wait(30)
        for number in range(8):
            queue.join(number, value("x"))
        with pytest.raises(BusyError, match="8 other searches are waiting; try again in a minute"):
            queue.join("one too many", value("x"))
        assert failures == ["busy"]
        work.released.set()


def test_search_ends_at_its_time_limit_and_says_how_far_it_came() -> None:
    now_s, failures = [0.0], list[str]()

    def work(watch: Watch) -> Outcome[str]:
        watch.step(10, 5000)
        now_s[0] += 181
        watch.step(2500, 5000)
        return Outcome("never")

    with running(failed=failures.append, monotonic=lambda: now_s[0]) as queue:
        error = outcome(queue.join("a", work)).error
    assert isinstance(error, TooLongError)
    assert str(error) == "stopped after 180 s at record 2,500 of 5,000; choose a shorter time range"
    assert failures == ["timeout"]


def test_failed_search_is_counted_and_does_not_end_the_others() -> None:
    def unreachable(_: Watch) -> Outcome[str]:
        raise BrokerUnavailableError("no broker responded")

    def broken(_: Watch) -> Outcome[str]:
        raise ZeroDivisionError

    def missing(_: Watch) -> Outcome[str]:
        raise NotOnKafkaError("the coil C1 is not on Kafka")

    failures = list[str]()
    with running(failed=failures.append) as queue:
        errors = [
            outcome(queue.join(name, work)).error for name, work in (("a", unreachable), ("b", broken), ("c", missing))
        ]
        assert outcome(queue.join("d", value("d"))).value == "d"
    assert [error and (error.status, str(error)) for error in errors] == [
        (503, "no broker responded"),
        (500, "the search failed: ZeroDivisionError; see the server's log"),
        (404, "the coil C1 is not on Kafka"),
    ]
    assert failures == ["kafka", "error"], "a coil that is not on Kafka is not a failed search"


def test_stop_cancels_the_running_and_the_waiting_searches() -> None:
    work = Blocked()
    queue = JobQueue()
    queue.start()
    job = queue.join("a", work)
    assert work.started.wait(30)
    queue.join("b", work)
    queue.stop()
    assert isinstance(outcome(job).error, CancelledError)
