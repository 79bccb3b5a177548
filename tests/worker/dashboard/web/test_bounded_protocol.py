"""Idle, slow or non-reading clients cannot lock out other viewers, tested with real sockets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import Mock

import pytest
import uvicorn

from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.web import bounded_protocol, broadcaster
from stripwatch.worker.dashboard.web.bounded_protocol import BoundedProtocol
from stripwatch.worker.dashboard.web.routes import make_site
from stripwatch.worker.dashboard.web.server import listen
from tests.waiting import wait_until

_EVENTS = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"
_PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class LargeHistory(History):
    """A history whose large state quickly fills the buffers of a client that does not read."""

    def state(self) -> dict[str, Any]:
        return super().state() | {"padding": "x" * 1_000_000}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, Any]]:
    """Run a server, and yield its port and its broadcaster."""
    monkeypatch.setattr(broadcaster, "TICK_S", 0.05)
    app = make_site(LargeHistory(), Mock(FrameFetcher), ["localhost"])
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, log_config=None, ws="none", http=BoundedProtocol, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield listener.getsockname()[1], app.state.broadcaster
    server.should_exit = True
    thread.join(60)
    listener.close()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def ask(port: int, request: bytes, wanted: bytes) -> bool:
    """Return whether the response contains these bytes."""
    with connect(port) as client:
        client.sendall(request)
        answer = b""
        while wanted not in answer:
            received = client.recv(65_536)
            if not received:
                return False
            answer += received
        return True


def is_closed(client: socket.socket) -> bool:
    client.settimeout(0.05)
    try:
        return client.recv(1000) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_viewers_that_never_read_are_disconnected(site: tuple[int, Any]) -> None:
    port, hub = site
    with ExitStack() as stack:
        for _ in range(broadcaster.VIEWERS_MAX + 10):
            stack.enter_context(connect(port)).sendall(_EVENTS)
        wait_until(lambda: hub.viewers == broadcaster.VIEWERS_MAX)
        assert ask(port, _EVENTS, b"event: state")
        assert hub.viewers <= broadcaster.VIEWERS_MAX


def test_disconnects_a_viewer_that_stops_reading(site: tuple[int, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "UNREAD_S_MAX", 0.3)
    port, hub = site
    with connect(port) as client:
        client.sendall(_EVENTS)
        wait_until(lambda: hub.viewers == 1)
        wait_until(lambda: hub.viewers == 0)


def test_connections_without_a_request_do_not_block_new_ones(
    site: tuple[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "CONNECTIONS_MAX", 20)
    port, _ = site
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(port)) for _ in range(50)]
        assert ask(port, _PAGE, b"</html>")
        wait_until(lambda: sum(map(is_closed, idle)) >= 30)


def test_disconnects_a_client_that_sends_its_request_byte_by_byte(
    site: tuple[int, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "REQUEST_S_MAX", 0.3)
    port, _ = site
    with connect(port) as client:

        def is_cut_off() -> bool:
            try:
                client.sendall(b"G")
            except OSError:
                return True
            return is_closed(client)

        wait_until(is_cut_off)
    assert ask(port, _PAGE, b"</html>")
