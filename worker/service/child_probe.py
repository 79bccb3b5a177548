"""Whether the workers of a supervisor answer at their health ports: a process may live and do nothing."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from stripwatch.worker.common.threads import OwnedThread
from stripwatch.worker.monitoring.worker_scrape import answers

log = structlog.get_logger()

_ASK_S = 2.0  # between two rounds
HANG_S_MAX = 60.0  # also of a start, up to the open port: it comes before the bundle


class ChildProbe:
    """Asks on a thread of its own, since an answer that does not come takes its time."""

    def __init__(
        self,
        ports: Sequence[int],
        ask: Callable[[int], bool] = answers,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ports = ports
        self._ask = ask
        self._now_s = now_s
        self._answered_s = [now_s()] * len(ports)
        self._closing = threading.Event()

    def start(self, died: Callable[[BaseException], None]) -> None:
        """died: called with what ends the thread against its will."""
        OwnedThread(self._run, "child-probe", died).start()

    def close(self) -> None:
        self._closing.set()

    def hangs(self, number: int, started_s: float) -> bool:
        """Whether a worker that was started then, by the same clock, has been silent for too long."""
        return self._now_s() - max(started_s, self._answered_s[number]) > HANG_S_MAX

    def look(self) -> None:
        for number, port in enumerate(self._ports):
            if self._ask(port):
                self._answered_s[number] = self._now_s()

    def _run(self) -> None:
        while not self._closing.wait(_ASK_S):
            self.look()
