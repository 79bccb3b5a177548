"""A client whose password is refused retries until its timeout, and reports only the timeout.

Version: kafka-python 3.0.12
Symptom: The broker's answer, which states the reason, often arrives in the same read as the end of the connection, and
    is discarded. The authentication step swallows the error, so `_auth_failures` stays empty and the client reconnects
    without a pause.
Workaround: Deliver received data before the end of the connection, and raise the authentication error.
Shown by: test_kafka_python_discards_the_last_answer, test_kafka_python_swallows_an_authentication_failure
"""

from collections.abc import Callable
from typing import Any

from kafka.errors import SaslAuthenticationFailedError, UnsupportedSaslMechanismError
from kafka.net.connection import KafkaConnection
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_Receive = Callable[[Any], tuple[bytes, Exception | None]]
_initialize = KafkaConnection.initialize
_receive: dict[type, _Receive] = {kind: kind._sock_recv for kind in (KafkaTCPTransport, KafkaSSLTransport)}


def raise_auth_failures() -> None:
    """Make all clients of this process raise SaslAuthenticationFailedError if the broker refuses them."""
    KafkaConnection.initialize = _initialize_or_raise
    for kind, receive in _receive.items():
        kind._sock_recv = _data_first(receive)  # type: ignore[attr-defined]


async def _initialize_or_raise(connection: Any, timeout_at: float | None = None) -> None:
    await _initialize(connection, timeout_at)
    if not connection.init_future.failed():
        return
    error = connection.init_future.exception
    if isinstance(error, UnsupportedSaslMechanismError):
        raise SaslAuthenticationFailedError(str(error))
    raise error


def _data_first(receive: _Receive) -> _Receive:
    def data_before_its_end(transport: Any) -> tuple[bytes, Exception | None]:
        data, error = receive(transport)
        return (data, None) if data else (data, error)  # the next read returns the error again

    return data_before_its_end


def refusal(error: SaslAuthenticationFailedError) -> str:
    """Return the reason as the broker states it."""
    return str(error).rpartition("SaslAuthenticationFailedError: ")[2]
