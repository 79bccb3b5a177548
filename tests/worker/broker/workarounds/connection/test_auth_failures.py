"""The work-around for kafka-python's silence about a refused password: what it fixes, and that it is still needed."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from kafka.errors import SaslAuthenticationFailedError
from kafka.net.connection import KafkaConnection
from kafka.net.transport import KafkaTCPTransport

from stripwatch.worker.broker.workarounds.connection import auth_failures


class _Selector:
    def __init__(self, **_: Any) -> None: ...


@pytest.fixture
def transport() -> Iterator[KafkaTCPTransport]:
    """One end of a connection whose other end has answered and hung up at once."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        theirs.sendall(b"no entry")
        theirs.close()
        yield KafkaTCPTransport(_Selector(), ours)


def test_kafka_python_still_throws_the_last_answer_away(transport: KafkaTCPTransport) -> None:
    """When this fails, `_data_first` can go."""
    data, error = auth_failures._receive[KafkaTCPTransport](transport)
    assert (data, error is None) == (b"no entry", False), "kafka-python now hands it on first"


def test_the_last_answer_comes_before_the_end(transport: KafkaTCPTransport) -> None:
    receive = auth_failures._data_first(auth_failures._receive[KafkaTCPTransport])
    assert receive(transport) == (b"no entry", None)
    data, error = receive(transport)
    assert (data, error is None) == (b"", False)


class _Refused(KafkaConnection):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(None)

    async def _get_api_versions(self, timeout_at: float | None = None) -> None:
        raise SaslAuthenticationFailedError("SaslAuthenticationFailedError: wrong password")


def test_kafka_python_still_swallows_a_refusal() -> None:
    """When this fails, `_initialize_or_raise` can go."""
    asyncio.run(auth_failures._initialize(_Refused()))


def test_a_refusal_is_raised() -> None:
    with pytest.raises(SaslAuthenticationFailedError) as refused:
        asyncio.run(auth_failures._initialize_or_raise(_Refused()))
    assert auth_failures.refusal(refused.value) == "wrong password"
