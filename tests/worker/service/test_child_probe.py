"""Detecting a process that runs but does not respond."""

import threading
import time
from collections.abc import Sequence
from typing import Never

import pytest

from stripwatch.worker.service.child_probe import ROUNDS_MAX, ChildProbe


def test_many_consecutive_unanswered_requests_are_a_hang() -> None:
    alive = {9001}
    probe = ChildProbe([9001, 9002], ask=lambda ports: [port in alive for port in ports])
    for _ in range(ROUNDS_MAX):
        probe.check()
    assert not probe.hangs(1)
    probe.check()
    assert probe.hangs(1)
    assert not probe.hangs(0)
    probe.started(1)
    assert not probe.hangs(1)


def test_a_response_resets_the_count() -> None:
    alive = set[int]()
    probe = ChildProbe([9001], ask=lambda ports: [port in alive for port in ports])
    for _ in range(ROUNDS_MAX):
        probe.check()
    alive.add(9001)
    probe.check()
    alive.clear()
    probe.check()
    assert not probe.hangs(0)


def test_time_without_requests_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The supervisor itself was paused, for example with its virtual machine."""
    probe = ChildProbe([9001], ask=lambda ports: [False] * len(ports))
    probe.check()
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    assert not probe.hangs(0)


def test_reports_the_death_of_its_own_thread() -> None:
    died = threading.Event()

    def ask(ports: Sequence[int]) -> Never:
        raise RuntimeError(ports)

    probe = ChildProbe([9001], ask=ask)
    probe.start(lambda _: died.set())
    assert died.wait(60)
