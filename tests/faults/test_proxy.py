"""The proxy disturbs connections as requested, and forwards everything else unchanged."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Mode, Proxy

WAIT_S_MAX = 10.0


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """Run a proxy in front of an echo server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        with Proxy(server.getsockname()[1]) as proxy:
            yield proxy
        server.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts connections


def serve(server: socket.socket) -> None:
    try:
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
    except OSError:
        return


def echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S_MAX)


def read_to_end(client: socket.socket) -> tuple[bytes, bool]:
    """Return all received bytes, and whether the connection was reset."""
    got = b""
    try:
        while data := client.recv(65536):
            got += data
    except ConnectionResetError:
        return got, True
    return got, False


def is_reset(proxy: Proxy) -> bool:
    """Open a connection and check for a reset, which may arrive before or after connecting."""
    try:
        with connect(proxy) as client:
            return read_to_end(client) == (b"", True)
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("mode", [Mode.OPEN, Mode.SLOW])
def test_bytes_pass_unchanged(proxy: Proxy, mode: Mode) -> None:
    proxy.set(mode)
    sent = bytes(range(256)) * 100
    with connect(proxy) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == (sent, False)


def test_a_cut_resets_open_connections_and_new_ones_pass(proxy: Proxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        proxy.cut()
        assert read_to_end(client) == (b"", True)
    with connect(proxy) as client:
        client.sendall(b"y")
        assert client.recv(1) == b"y"


def test_a_closed_proxy_forwards_nothing(proxy: Proxy) -> None:
    proxy.set(Mode.SHUT)
    assert is_reset(proxy)


def test_mute_forwards_requests_but_no_responses(proxy: Proxy) -> None:
    with connect(proxy) as client:
        client.sendall(b"before")
        assert client.recv(6) == b"before"
        proxy.set(Mode.MUTE)
        client.sendall(b"lost")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client)[0] == b""


def test_tear_resets_every_connection_inside_a_response(proxy: Proxy) -> None:
    with connect(proxy) as client, connect(proxy) as other:
        other.sendall(b"x")
        assert other.recv(1) == b"x"
        proxy.set(Mode.TEAR)
        client.sendall(b"abcdef")
        assert read_to_end(client) == (b"abc", True)
        assert read_to_end(other) == (b"", True)


def test_resets_connections_if_the_server_does_not_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Proxy(port) as proxy:
        assert is_reset(proxy)
