"""Refused passwords.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

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
    """Return one end of a connection whose other end has answered and closed at once."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        theirs.sendall(b"no entry")
        theirs.close()
        yield KafkaTCPTransport(_Selector(), ours)


def test_kafka_python_discards_the_last_answer(transport: KafkaTCPTransport) -> None:
    data, error = auth_failures._receive[KafkaTCPTransport](transport)
    assert (data, error is None) == (b"no entry", False), "`_data_first` is no longer needed"


def test_delivers_the_last_answer_before_the_end_of_the_connection(transport: KafkaTCPTransport) -> None:
    receive = auth_failures._data_first(auth_failures._receive[KafkaTCPTransport])
    assert receive(transport) == (b"no entry", None)
    data, error = receive(transport)
    assert (data, error is None) == (b"", False)


class _Refused(KafkaConnection):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(None)

    async def _get_api_versions(self, timeout_at: float | None = None) -> None:
        raise SaslAuthenticationFailedError("SaslAuthenticationFailedError: wrong password")


def test_kafka_python_swallows_an_authentication_failure() -> None:
    """If this fails, `_initialize_or_raise` can be removed."""
    asyncio.run(auth_failures._initialize(_Refused()))


def test_raises_an_authentication_failure() -> None:
    with pytest.raises(SaslAuthenticationFailedError) as refused:
        asyncio.run(auth_failures._initialize_or_raise(_Refused()))
    assert auth_failures.refusal(refused.value) == "wrong password"
