"""Background work is bounded, never blocks the caller, and is finished at a stop if there is time."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.observers import background_worker
from stripwatch.worker.observers.background_worker import FRAMES_MAX, BackgroundWorker
from tests.frames import make_frame
from tests.waiting import wait_until


class Worked:
    """Records what was done and counted. The work waits for `may_go`."""

    def __init__(self, work: Callable[[int], None] = lambda _: None) -> None:
        self.may_go = threading.Event()
        self.at_work = threading.Event()
        self.done: list[int] = []
        self.counts: Counter[str] = Counter()
        self.worker: BackgroundWorker[int] = BackgroundWorker(
            "made", self._work, lambda outcome: self.counts.update([outcome])
        )
        self._more = work

    def _work(self, frame: Frame, known: int) -> None:
        self.at_work.set()
        assert self.may_go.wait(60)
        self._more(known)
        self.done.append(known)


def test_a_full_queue_drops_and_counts_by_frames_and_by_bytes() -> None:
    worked = Worked()
    worked.worker.start()
    for number in range(100):
        worked.worker.offer(make_frame(number), number)  # returns although no work is done
    assert worked.counts == {"dropped": 100 - FRAMES_MAX}
    worked.may_go.set()
    worked.worker.close(10.0)
    assert worked.done == list(range(FRAMES_MAX))
    large = Worked()
    for number in range(8):
        large.worker.offer(make_frame(number, bytes(20_000_000)), number)
    assert large.counts == {"dropped": 4}


def test_a_reservation_holds_until_it_is_used_or_cancelled() -> None:
    worked, frames = Worked(), [make_frame(number) for number in range(FRAMES_MAX)]
    for frame in frames:
        worked.worker.reserve(frame)
    assert not worked.worker.has_room()
    worked.worker.cancel(frames[0])
    assert worked.worker.has_room()
    worked.worker.put(frames[1], 1)
    worked.may_go.set()
    worked.worker.start()
    worked.worker.close(10.0)
    assert (worked.done, dict(worked.counts)) == ([1], {})


def test_a_failure_is_counted_and_logged_and_the_next_frame_is_processed() -> None:
    def work(known: int) -> None:
        if known == 0:
            raise ValueError("a bug")

    worked = Worked(work)
    worked.may_go.set()
    with capture_logs() as logs:
        worked.worker.start()
        for number in range(2):
            worked.worker.offer(make_frame(number), number)
        worked.worker.close(10.0)
    assert (worked.done, worked.counts) == ([1], {"failed": 1})
    assert (logs[0]["frame"], logs[0]["error"]) == (make_frame(0).id, "ValueError: a bug")


def test_a_frame_that_ends_the_thread_is_counted_and_releases_its_room() -> None:
    def work(_: int) -> None:
        raise SystemExit

    worked = Worked(work)
    worked.may_go.set()
    worked.worker.start()
    for number in range(FRAMES_MAX):
        worked.worker.reserve(make_frame(number))
    worked.worker.put(make_frame(0), 0)
    wait_until(worked.worker.has_room)
    assert worked.counts == {"failed": 1}


def test_a_thread_that_every_frame_ends_restarts_after_a_pause_and_close_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(known: int) -> None:
        if known < 2:
            raise SystemExit

    monkeypatch.setattr(background_worker, "_RESTART_S", 1000.0)
    worked = Worked(work)
    worked.may_go.set()
    worked.worker.start()
    for number in range(3):
        worked.worker.offer(make_frame(number), number)
    wait_until(lambda: bool(worked.counts))
    assert not worked.done
    assert worked.worker.close(60.0)
    assert (worked.done, worked.counts) == ([2], {"failed": 2})


def test_work_left_when_the_time_is_up_counts_as_failed() -> None:
    worked = Worked()
    worked.worker.start()
    for number in range(5):
        worked.worker.offer(make_frame(number), number)
    assert worked.at_work.wait(60)
    with capture_logs() as logs:
        worked.worker.close(0.01)
    assert worked.counts == {"failed": 4}  # the fifth frame is being processed
    assert logs[0]["frames"] == 4
    worked.may_go.set()
