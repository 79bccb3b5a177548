"""Log lines for changes of state: ready or unready with the failing checks, paused or resumed."""

import threading
from collections.abc import Callable
from typing import Any

import structlog

from stripwatch.worker.monitoring.failing_checks import explain_failing
from stripwatch.worker.monitoring.health import Checks

log = structlog.get_logger()

_CHECK_S = 0.2


class ReadinessLog:
    """Polls the state several times per second and logs changes.

    It polls because no single component knows everything that makes a worker ready.

    checks: the checks of /readyz. paused: returns True while the consumer has paused its partitions because the worker
    is full.
    """

    def __init__(self, checks: Callable[[], Checks], paused: Callable[[], bool]) -> None:
        self._checks = checks
        self._paused = paused
        self._missing: list[str] | None = None  # None until the worker was ready once: no "unready" before that
        self._was_paused = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="states", daemon=True)

    def __enter__(self) -> "ReadinessLog":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._closing.set()
        self._thread.join()

    def check(self) -> None:
        checks = self._checks()
        missing = [name for name, holds in checks.items() if not holds]
        if "not_stopping" in missing:
            return  # starting or stopping, which other lines report
        if not missing and self._missing != []:
            log.info("ready")
        elif missing and self._missing not in (None, missing):
            log.warning("unready", why=list(explain_failing(checks).values()), failing_checks=missing)
        if not missing or self._missing is not None:
            self._missing = missing
        paused = self._paused()
        if paused != self._was_paused:
            log.info("consumer paused" if paused else "consumer resumed")
        self._was_paused = paused

    def _run(self) -> None:
        while not self._closing.wait(_CHECK_S):
            try:
                self.check()
            except Exception:  # the next check may succeed, and the worker does not depend on this one
                log.exception("cannot determine the state of the worker")
