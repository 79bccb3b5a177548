"""Idle, slow and numerous clients do not block the next one, tested on real sockets."""

import os
import re
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge

from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring import bounded_server
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.health_metrics import connections_closed
from tests.e2e.line import fetch
from tests.waiting import wait_until


@pytest.fixture
def server() -> Iterator[HealthServer]:
    registry = CollectorRegistry()
    server = HealthServer(MetricsSettings(port=0), registry, lambda: {"fine": True}, connections_closed(registry))
    yield server
    server.close()


def connect(server: HealthServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def answers(server: HealthServer) -> bool:
    return all(fetch(server.port, path)[0] == 200 for path in ("/healthz", "/readyz"))


def closed(server: HealthServer, reason: str) -> int:
    found = re.search(
        rf'stripwatch_health_connections_closed_total\{{reason="{reason}"\}} (\d+)', fetch(server.port, "/metrics")[1]
    )
    assert found
    return int(found[1])


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1000) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.long
def test_three_hundred_idle_connections_do_not_block_a_request(server: HealthServer) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(server)) for _ in range(300)]
        assert all(answers(server) for _ in range(30))
        wait_until(lambda: sum(is_closed(client) for client in idle) >= 300 - bounded_server.CONNECTIONS_MAX)
        assert closed(server, "too_many") >= 300 - bounded_server.CONNECTIONS_MAX


def test_limits_threads_even_if_none_ends() -> None:
    """Closing a connection does not end a thread that is busy with its response."""
    free, before = threading.Event(), set(threading.enumerate())
    server = HealthServer(MetricsSettings(port=0), CollectorRegistry(), lambda: {"free": free.wait(60)})
    with ExitStack() as stack:
        for _ in range(bounded_server.CONNECTIONS_MAX + 4):
            client = stack.enter_context(connect(server))
            client.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        wait_until(lambda: is_closed(client))
        threads = [
            thread for thread in threading.enumerate() if thread.name == "health-request" and thread not in before
        ]
        free.set()
    wait_until(lambda: fetch(server.port, "/readyz")[0] == 200)
    server.close()
    assert len(threads) <= bounded_server.CONNECTIONS_MAX


def test_a_hanging_log_delays_no_response(server: HealthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log hangs, as it does with an unread stdout. The connections closed to make room for others are logged."""
    logged, read = [], threading.Event()

    class FullPipe:
        def warning(self, event: str, **fields: str) -> None:
            logged.append((event, fields["why"]))
            read.wait(60)

    monkeypatch.setattr(bounded_server, "log", FullPipe())
    before = threading.active_count()
    with ExitStack() as stack:
        for _ in range(3 * bounded_server.CONNECTIONS_MAX):
            stack.enter_context(connect(server))
        assert answers(server)
        wait_until(lambda: closed(server, "too_many") >= 2 * bounded_server.CONNECTIONS_MAX)
        assert logged == [("connection to the health port closed", "too many connections")]
        assert threading.active_count() <= before + bounded_server.CONNECTIONS_MAX + 1
        read.set()


def test_hanging_scrapes_leave_threads_for_probes() -> None:
    free, registry = threading.Event(), CollectorRegistry()
    Gauge("slow", "Hangs.", registry=registry).set_function(lambda: float(free.wait(60)))
    server = HealthServer(MetricsSettings(port=0), registry, lambda: {"fine": True})
    with ExitStack() as stack:
        stack.callback(server.close)
        stack.callback(free.set)
        for _ in range(bounded_server.CONNECTIONS_MAX - 4):
            stack.enter_context(connect(server)).sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait_until(lambda: not server._scrapes._value)
        assert fetch(server.port, "/metrics")[0] == 503
        assert answers(server)
        free.set()
        wait_until(lambda: fetch(server.port, "/metrics")[0] == 200)


def test_refuses_a_connection_if_no_thread_can_start(server: HealthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with connect(server) as client:
            wait_until(lambda: is_closed(client))
    assert (server._server._threads, len(server._server._open)) == (0, 0)
    assert answers(server)


def test_closes_a_client_that_sends_single_bytes(server: HealthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_server, "CLIENT_S_MAX", 0.3)
    with connect(server) as slow:

        def is_cut_off() -> bool:
            try:
                slow.sendall(b"G")
            except OSError:
                return True
            return is_closed(slow)

        wait_until(is_cut_off)
    monkeypatch.undo()
    assert answers(server)
    assert closed(server, "timeout") >= 1
    assert closed(server, "too_many") == 0


def test_closes_clients_that_never_read(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    Gauge("size", "A response larger than the socket buffers." * 300_000, registry=registry)
    server = HealthServer(MetricsSettings(port=0), registry, dict)
    with ExitStack() as stack:
        stack.callback(server.close)
        clients = [stack.enter_context(connect(server)) for _ in range(5)]
        for client in clients:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert answers(server)
        monkeypatch.setattr(bounded_server, "CLIENT_S_MAX", 0.3)
        wait_until(lambda: not server._server._open)


def test_answers_if_no_other_file_descriptor_is_free(server: HealthServer) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    probe = socket.socket()
    try:
        highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, limits[1]))
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        probe.settimeout(30)
        probe.connect(("127.0.0.1", server.port))
        probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert probe.recv(100).startswith(b"HTTP/1.0 200")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)
        probe.close()
    assert answers(server)
