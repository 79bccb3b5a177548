"""Notifications to systemd: one datagram per state, and none from a worker that hangs."""

import socket
from pathlib import Path

import pytest

from stripwatch.worker.monitoring.systemd import Watchdog, sd_notify
from tests.clock import ManualClock


@pytest.mark.parametrize("name", ["path", "abstract"])
def test_sends_one_datagram_per_state(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = str(tmp_path / "notify") if name == "path" else f"@stripwatch-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address.replace("@", "\0"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        sd_notify("READY=1")
        assert systemd.recv(100) == b"READY=1"


def test_ignores_a_missing_listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    sd_notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    sd_notify("READY=1")


def test_pings_while_frames_make_progress() -> None:
    sent: list[str] = []
    clock = ManualClock()
    watchdog = Watchdog(sent.append, clock.monotonic)

    def beat(ready: bool, inside: int, settled: int) -> list[str]:
        sent.clear()
        clock.now_s += 1.0
        watchdog.ping(ready, inside, settled)
        return sent

    assert beat(False, 0, 0) == ["WATCHDOG=1"]
    assert beat(True, 0, 0) == ["READY=1", "WATCHDOG=1"]
    assert beat(True, 5, 0) == []  # in flight and not settled
    assert beat(True, 5, 3) == ["WATCHDOG=1"]
    assert beat(True, 5, 3) == []
    assert beat(False, 0, 3) == ["WATCHDOG=1"]  # an unready worker is not a dead one


def test_pings_at_most_once_per_second() -> None:
    sent: list[str] = []
    clock = ManualClock()
    watchdog = Watchdog(sent.append, clock.monotonic)
    for _ in range(20):
        clock.now_s += 0.1
        watchdog.ping(False, 0, 0)
    assert sent == ["WATCHDOG=1"] * 2
