"""A client whose password is refused retries until its timeout, and reports only the timeout.

Version: kafka-python 3.0.12
Symptom: The answer that says why often comes in one read with the end of the connection, and is thrown away. The step
    that logs in swallows the error, so `_auth_failures` stays empty, and the broker is called again without a pause.
Workaround: Hand on data before the end of a connection, and raise what the login has failed with.
Shown by: test_kafka_python_still_throws_the_last_answer_away, test_kafka_python_still_swallows_a_refusal
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
    """From now on a client of this process that is not let in raises SaslAuthenticationFailedError."""
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
        return (data, None) if data else (data, error)  # the error is still there at the next read

    return data_before_its_end


def refusal(error: SaslAuthenticationFailedError) -> str:
    """Why, in the broker's words."""
    return str(error).rpartition("SaslAuthenticationFailedError: ")[2]
