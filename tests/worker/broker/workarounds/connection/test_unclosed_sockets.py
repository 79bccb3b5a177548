"""Sockets of connections that end early.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import errno
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from stripwatch.worker.broker.workarounds.connection.unclosed_sockets import close_sockets

MORE_THAN_A_SOCKET_TAKES = bytes(8_000_000)
ADDRESS = ("127.0.0.1", 9)
PATCHED = ((KafkaNetSocket, "sock_connect"), (KafkaSSLTransport, "handshake"), (KafkaTCPTransport, "_write_to_sock"))

End = Callable[[NetworkSelector, socket.socket], None]


@pytest.fixture
def net() -> Iterator[NetworkSelector]:
    net = NetworkSelector()
    yield net
    net.close()


@pytest.fixture
def near() -> Iterator[socket.socket]:
    """Return one end of a connection whose other end reads nothing."""
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near


def connector_that_answers(error: int) -> KafkaNetSocket:
    connector = KafkaNetSocket()
    connector.connect_ex = lambda *_: error
    return connector


def refuse(net: NetworkSelector, near: socket.socket) -> None:
    connector = connector_that_answers(errno.ECONNREFUSED)
    with pytest.raises(KafkaConnectionError):
        net.run(connector.sock_connect, net, near, ADDRESS)


def time_out(net: NetworkSelector, near: socket.socket) -> None:
    connector = connector_that_answers(errno.EINPROGRESS)
    with pytest.raises(KafkaTimeoutError):
        net.run(connector.sock_connect, net, near, ADDRESS, 0.0)


def close_while_connecting(net: NetworkSelector, near: socket.socket) -> None:
    connector = connector_that_answers(errno.EINPROGRESS)
    near.send(MORE_THAN_A_SOCKET_TAKES)  # fills the buffer, so the socket never becomes writable
    net.call_soon(lambda: connector.sock_connect(net, near, ADDRESS))
    net.poll(timeout_ms=0)
    net.close()


def fail_a_handshake(net: NetworkSelector, near: socket.socket) -> None:
    with pytest.raises(ssl.SSLError):
        net.run(_Handshake(net, near).handshake)


def close_with_unsent_bytes(net: NetworkSelector, near: socket.socket) -> None:
    transport = KafkaTCPTransport(net, near)
    transport.write(MORE_THAN_A_SOCKET_TAKES)
    net.poll(timeout_ms=0)
    transport.close()
    net.close()


class _Handshake(KafkaSSLTransport):  # type: ignore[misc]  # kafka-python has no types
    """TLS transport over a plain socket whose do_handshake fails."""

    def __init__(self, net: NetworkSelector, near: socket.socket) -> None:
        KafkaTCPTransport.__init__(self, net, _Refused(near))


class _Refused:
    def __init__(self, near: socket.socket) -> None:
        self._near = near

    def do_handshake(self) -> None:
        raise ssl.SSLError("certificate verify failed")

    def close(self) -> None:
        self._near.close()

    def __getattr__(self, name: str) -> object:
        return getattr(self._near, name)


ENDS = pytest.mark.parametrize(
    "end", [refuse, time_out, close_while_connecting, fail_a_handshake, close_with_unsent_bytes]
)


@ENDS
def test_closes_the_socket_of_a_connection_that_ends_early(end: End, net: NetworkSelector, near: socket.socket) -> None:
    close_sockets()
    end(net, near)
    assert near.fileno() == -1


@ENDS
def test_kafka_python_leaves_the_socket_open(
    end: End, net: NetworkSelector, near: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, name in PATCHED:
        method = owner.__dict__[name]
        monkeypatch.setattr(owner, name, getattr(method, "__wrapped__", method))
    end(net, near)
    assert near.fileno() != -1


def test_a_second_call_changes_nothing() -> None:
    close_sockets()
    methods = [owner.__dict__[name] for owner, name in PATCHED]
    close_sockets()
    assert [owner.__dict__[name] for owner, name in PATCHED] == methods
