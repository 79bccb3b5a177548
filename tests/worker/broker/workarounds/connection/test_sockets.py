"""What we replace of kafka-python's sockets does what it replaces, in fewer calls."""

import inspect
import selectors
import socket
from collections.abc import Iterator

import kafka.net.transport
import pytest
from kafka.errors import KafkaConnectionError
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaTCPTransport

from stripwatch.worker.broker.workarounds.connection.sockets import PlainSelector, read_much

Pair = tuple[socket.socket, socket.socket]


class _Counting:
    """The socket of a transport, whose reads are counted."""

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


def test_a_frame_is_read_whole_in_a_few_calls(pair: Pair, net: NetworkSelector) -> None:
    near, far = pair
    sent = bytes(range(256)) * 400
    far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1_000_000)
    far.sendall(sent)
    counting = _Counting(near)
    read_much()
    received, error = KafkaTCPTransport(net, counting)._sock_recv()
    assert (received, error) == (sent, None)
    assert counting.reads <= 5  # of 4 KB each it would be 26


def test_kafka_python_still_reads_little() -> None:
    assert "recv(4096)" in inspect.getsource(kafka.net.transport), "then read_much is needed no more"


def test_an_end_and_a_failure_are_reported_with_what_came_before(pair: Pair, net: NetworkSelector) -> None:
    near, far = pair
    far.sendall(b"last words")
    far.close()
    read_much()
    transport = KafkaTCPTransport(net, near)
    received, error = transport._sock_recv()
    assert received == b"last words"
    assert isinstance(error, KafkaConnectionError)
    near.close()
    received, error = transport._sock_recv()
    assert received == b""
    assert isinstance(error, KafkaConnectionError)


def test_the_selector_knows_what_is_registered_and_refuses_the_rest(pair: Pair) -> None:
    near, far = pair
    with PlainSelector() as selector:
        key = selector.register(near, selectors.EVENT_READ, "data")
        assert selector.get_key(near) == key
        with pytest.raises(KeyError):
            selector.get_key(far)
        near.close()
        assert selector.get_key(near) == key  # a closed one that is still registered, so that it can be let go
        far.close()
        with pytest.raises(ValueError, match="Invalid file"):
            selector.get_key(far)
