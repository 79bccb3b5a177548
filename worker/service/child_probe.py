"""Whether the workers of a supervisor answer at their health ports: a process may live and do nothing."""

import threading
from collections.abc import Callable, Sequence

import structlog

from stripwatch.worker.common.process.threads import OwnedThread
from stripwatch.worker.monitoring.worker_scrape import all_alive

log = structlog.get_logger()

_ASK_S = 2.0  # between two rounds
ROUNDS_MAX = 20  # without an answer, in 40 s or more; a start opens its port before it reads the bundle


class ChildProbe:
    """Asks on a thread of its own, since an answer that does not come takes its time.

    It counts questions, not seconds: while the whole machine stood still, nobody asked.
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
        """died: called with what ends the thread against its will."""
        OwnedThread(self._run, "child-probe", died).start()

    def close(self) -> None:
        self._closing.set()

    def hangs(self, number: int) -> bool:
        """Whether a worker has left too many questions in a row unanswered to answer another."""
        return self._unanswered[number] > ROUNDS_MAX

    def started(self, number: int) -> None:
        """A new process has the port."""
        self._unanswered[number] = 0

    def check(self) -> None:
        """Ask all at once: several that hang delay no question to the others."""
        for number, answered in enumerate(self._ask(self._ports)):
            self._unanswered[number] = 0 if answered else self._unanswered[number] + 1

    def _run(self) -> None:
        while not self._closing.wait(_ASK_S):
            self.check()
