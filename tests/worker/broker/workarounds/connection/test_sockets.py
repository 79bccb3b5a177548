"""Socket reads and selector lookups behave like those of kafka-python, with fewer calls.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import inspect
import selectors
import socket
from collections.abc import Iterator

import kafka.net.transport
import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from stripwatch.worker.broker.workarounds.connection.sockets import PlainSelector, read_available_bytes

Pair = tuple[socket.socket, socket.socket]


class _Counting:
    """Socket that counts its reads."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self.reads = 0

    def recv(self, size: int) -> bytes:
        self.reads += 1
        return self.end.recv(size)


@pytest.fixture
def pair() -> Iterator[Pair]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.fixture
def net() -> Iterator[NetworkSelector]:
    net = NetworkSelector()
    yield net
    net.close()


def test_reads_a_frame_in_a_few_calls(pair: Pair, net: NetworkSelector) -> None:
    near, far = pair
    sent = bytes(range(256)) * 400
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    far.sendall(sent)
    counting = _Counting(near)
    read_available_bytes()
    received, error = KafkaTCPTransport(net, counting)._sock_recv()
    assert (received, error) == (sent, None)
    assert counting.reads <= 5  # reads of 4 KB would take 26


def test_kafka_python_reads_4_kb_per_call() -> None:
    assert "recv(4096)" in inspect.getsource(kafka.net.transport), "read_available_bytes is no longer needed"


def test_returns_the_last_bytes_with_the_error(pair: Pair, net: NetworkSelector) -> None:
    near, far = pair
    far.sendall(b"last words")
    far.close()
    read_available_bytes()
    transport = KafkaTCPTransport(net, near)
    received, error = transport._sock_recv()
    assert received == b"last words"
    assert isinstance(error, KafkaConnectionError)
    near.close()
    received, error = transport._sock_recv()
    assert received == b""
    assert isinstance(error, KafkaConnectionError)


def test_the_selector_returns_registered_keys_and_raises_for_others(pair: Pair) -> None:
    near, far = pair
    with PlainSelector() as selector:
        key = selector.register(near, selectors.EVENT_READ, "data")
        assert selector.get_key(near) == key
        with pytest.raises(KeyError):
            selector.get_key(far)
        near.close()
        assert selector.get_key(near) == key  # closed but still registered, so that it can be unregistered
        far.close()
        with pytest.raises(ValueError, match="Invalid file"):
            selector.get_key(far)
