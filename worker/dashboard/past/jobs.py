"""Work on demand: one job at a time, in a bounded queue, with progress, a time limit, and cancellation."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.dashboard.past.errors import (
    BusyError,
    CancelledError,
    HistoryError,
    KafkaError,
    TooLongError,
)

log = structlog.get_logger()
T = TypeVar("T")
_WAITING_MAX, _KEPT_MAX = 8, 20
_SECONDS_MAX = 180.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a job. ahead: jobs before it in the queue. read, total: records, of those to read."""

    ahead: int = 0
    read: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """The value of a job, or its error. fresh_s: time in seconds for which the value may be reused."""

    value: T | None = None
    error: HistoryError | None = None
    fresh_s: float = 0.0


class Watch:
    """Lets a job report its progress, and ends it when it is cancelled or takes too long."""

    def __init__(self, seconds_max: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.progress = Progress()
        self._cancelled = threading.Event()
        self._monotonic = monotonic
        self._seconds_max = seconds_max
        self._until_s = monotonic() + seconds_max

    def step(self, read: int, total: int) -> None:
        """Report the progress. Raises CancelledError or TooLongError."""
        self.progress = Progress(0, read, total)
        if self._cancelled.is_set():
            raise CancelledError("the search was cancelled")
        if self._monotonic() > self._until_s:
            raise TooLongError(
                f"stopped after {self._seconds_max:.0f} s at record {read:,} of {total:,}; choose a shorter time range"
            )

    def restart(self) -> None:
        """Begin the time limit now."""
        self._until_s = self._monotonic() + self._seconds_max

    def cancel(self) -> None:
        self._cancelled.set()


class Job(Generic[T]):
    """A job in the queue. outcome: None until it is done. viewers: how many wait for it."""

    def __init__(self, key: Hashable, work: Callable[[Watch], Outcome[T]], watch: Watch, done_s: float = 0.0) -> None:
        self.key = key
        self.work = work
        self.watch = watch
        self.outcome: Outcome[T] | None = None
        self.done_s = done_s
        self.viewers = 0


class JobQueue:
    """Runs jobs one after the other in a thread, and keeps the newest outcomes. Thread-safe.

    Viewers who ask for the same thing share one job. A job without viewers is cancelled.

    failed: called with the reason of each failed search (see HistoryError).
    """

    def __init__(
        self,
        failed: Callable[[str], None] = lambda _: None,
        seconds_max: float = _SECONDS_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failed = failed
        self._seconds_max = seconds_max
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._waiting: deque[Job[Any]] = deque()
        self._running: Job[Any] | None = None
        self._kept: OrderedDict[Hashable, Job[Any]] = OrderedDict()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Cancel all jobs and end the thread."""
        with self._changed:
            self._stopped = True
            for job in self._open():
                job.watch.cancel()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=15)

    def join(self, key: Hashable, work: Callable[[Watch], Outcome[T]]) -> Job[T]:
        """Wait for the job with this key, which is new unless it is known and fresh. Raises BusyError.

        Each call needs a call of `leave`.
        """
        with self._changed:
            job = self._known(key)
            if job is None:
                if len(self._waiting) >= _WAITING_MAX:
                    self.failed(BusyError.reason)
                    raise BusyError(f"{_WAITING_MAX} other searches are waiting; try again in a minute")
                job = Job(key, work, Watch(self._seconds_max, self._monotonic))
                self._waiting.append(job)
                self._changed.notify_all()
            job.viewers += 1
            return job

    def leave(self, job: Job[Any]) -> None:
        """Stop waiting for a job."""
        with self._changed:
            job.viewers -= 1
            if job.viewers == 0 and job.outcome is None:
                job.watch.cancel()
                if job in self._waiting:
                    self._waiting.remove(job)

    def progress(self, job: Job[Any]) -> Progress:
        with self._changed:
            if job in self._waiting:
                return Progress(ahead=self._waiting.index(job) + (self._running is not None))
            return job.watch.progress

    def _open(self) -> list[Job[Any]]:
        return [*self._waiting, *([self._running] if self._running else [])]

    def _known(self, key: Hashable) -> Job[Any] | None:
        """Return the job with this key that is waiting, running, or done and still fresh."""
        for job in self._open():
            if job.key == key and job.viewers > 0:
                return job
        kept = self._kept.get(key)
        if kept and kept.outcome and self._monotonic() - kept.done_s < kept.outcome.fresh_s:
            self._kept.move_to_end(key)
            return kept
        return None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    self._waiting.clear()
                    return
                job = self._running = self._waiting.popleft()
            outcome = self._outcome(job)
            with self._changed:
                job.outcome, job.done_s, self._running = outcome, self._monotonic(), None
                if outcome.error is None and outcome.fresh_s > 0:
                    self._kept[job.key] = job
                    self._kept.move_to_end(job.key)
                while len(self._kept) > _KEPT_MAX:
                    self._kept.popitem(last=False)

    def _outcome(self, job: Job[Any]) -> Outcome[Any]:
        job.watch.restart()
        try:
            return job.work(job.watch)
        except HistoryError as error:
            return self._failure(error)
        except StripwatchError as error:
            return self._failure(KafkaError(str(error)))
        except Exception as error:  # a fault of one search must not end the thread of all others
            log.exception("search of the history failed")
            self.failed(HistoryError.reason)
            return Outcome(error=HistoryError(f"the search failed: {type(error).__name__}; see the server's log"))

    def _failure(self, error: HistoryError) -> Outcome[Any]:
        if error.reason:
            log.warning("search of the history failed", reason=error.reason, error=str(error))
            self.failed(error.reason)
        return Outcome(error=error)
