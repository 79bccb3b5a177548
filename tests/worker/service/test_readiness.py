"""/readyz names a topic that cannot be written."""

from types import SimpleNamespace
from typing import cast

from stripwatch.worker.service.readiness import Readiness, WorkerState

GOOD = {
    "stopping": False,
    "paused": False,
    "connected": True,
    "joined": True,
    "topic_readable": True,
    "delivering": True,
    "clock_agrees": True,
    "alive": True,
    "reject_rate_is_high": False,
}


def test_names_a_topic_that_cannot_be_written() -> None:
    readiness = Readiness()
    readiness.bundle_verified = True
    readiness.worker = cast(WorkerState, SimpleNamespace(**GOOD, unwritable_topics=()))
    assert readiness.holds()
    readiness.worker = cast(WorkerState, SimpleNamespace(**GOOD, unwritable_topics=("my.results",)))
    failing = [name for name, holds in readiness.checks().items() if not holds]
    assert failing == ["topics_writable", "topic_writable:my.results"]
