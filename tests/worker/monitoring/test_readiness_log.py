from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from stripwatch.worker.monitoring.readiness_log import ReadinessLog


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


class State:
    def __init__(self) -> None:
        self.checks = {"broker_connected": False, "group_joined": False, "not_stopping": True}
        self.paused = False
        self.log = ReadinessLog(lambda: self.checks, lambda: self.paused)

    def look(self, **checks: bool) -> None:
        self.checks |= checks
        self.log.check()


def test_logs_each_change_once(logs: list[EventDict]) -> None:
    state = State()
    state.look()  # still not ready, so nothing has changed
    state.look(broker_connected=True)
    state.look(group_joined=True)
    state.look()
    state.look(broker_connected=False)
    state.look()
    state.look(group_joined=False)
    state.look(broker_connected=True, group_joined=True)
    assert [(entry["event"], entry.get("failing_checks")) for entry in logs] == [
        ("ready", None),
        ("unready", ["broker_connected"]),
        ("unready", ["broker_connected", "group_joined"]),
        ("ready", None),
    ]


def test_does_not_log_unready_during_a_stop(logs: list[EventDict]) -> None:
    state = State()
    state.look(broker_connected=True, group_joined=True)
    state.look(broker_connected=False, not_stopping=False)
    assert [entry["event"] for entry in logs] == ["ready"]


def test_logs_backpressure(logs: list[EventDict]) -> None:
    state = State()
    for paused in (False, True, True, False):
        state.paused = paused
        state.look()
    assert [entry["event"] for entry in logs] == ["consumer paused", "consumer resumed"]
