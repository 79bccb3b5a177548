"""Detects workers of a supervisor that run but do not respond on their health ports."""

import threading
from collections.abc import Callable, Sequence

import structlog

from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.monitoring.worker_scrape import all_alive

log = structlog.get_logger()

_ASK_S = 2.0  # between two rounds
ROUNDS_MAX = 20  # unanswered, which takes 40 s or more; a worker opens its port before it reads the bundle


class ChildProbe:
    """Polls the workers on a separate thread, because a missing response takes until its timeout.

    It counts requests instead of seconds, since no requests are sent while the whole machine is paused.
    """

    def __init__(
        self,
        ports: Sequence[int],
        ask: Callable[[Sequence[int]], Sequence[bool]] = all_alive,
    ) -> None:
        self._ports = ports
        self._ask = ask
        self._unanswered = [0] * len(ports)
        self._closing = threading.Event()

    def start(self, died: Callable[[BaseException], None]) -> None:
        """Start polling. died: called with the error if the thread fails."""
        OwnedThread(self._run, "child-probe", died).start()

    def close(self) -> None:
        self._closing.set()

    def hangs(self, number: int) -> bool:
        """Return whether a worker has left more than ROUNDS_MAX consecutive requests unanswered."""
        return self._unanswered[number] > ROUNDS_MAX

    def started(self, number: int) -> None:
        """Reset the count, because a new process uses the port."""
        self._unanswered[number] = 0

    def check(self) -> None:
        """Query all workers concurrently, so that hanging ones do not delay the others."""
        for number, answered in enumerate(self._ask(self._ports)):
            self._unanswered[number] = 0 if answered else self._unanswered[number] + 1

    def _run(self) -> None:
        while not self._closing.wait(_ASK_S):
            self.check()
