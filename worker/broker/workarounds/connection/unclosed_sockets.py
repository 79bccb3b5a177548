"""In three cases a socket is left to the garbage collector instead of being closed.

Version: kafka-python 3.0.12
Symptom: A file descriptor stays open until the garbage collector runs, after a connection that is refused, times out or
    is abandoned because its client closes; after a TLS handshake that fails; and after a connection that closes with
    unsent bytes, if its client closes before the broker has received them.
Workaround: Close the socket of a connection that fails or is cancelled.
Shown by: test_kafka_python_leaves_the_socket_open
"""

import socket
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_Method = Callable[..., Awaitable[Any]]


def close_sockets() -> None:
    """Make all connections of this process close their sockets when they fail or are cancelled."""
    _wrap(KafkaNetSocket, "sock_connect", lambda *args: args[2])  # connector, selector, socket
    _wrap(KafkaSSLTransport, "handshake", lambda transport: transport._sock)
    _wrap(KafkaTCPTransport, "_write_to_sock", lambda transport: transport._sock)


def _wrap(owner: type, name: str, socket_of: Callable[..., socket.socket | None]) -> None:
    original: _Method = owner.__dict__[name]
    if hasattr(original, "__wrapped__"):
        return  # already done; every client calls this

    @wraps(original)
    async def closing(*args: Any, **options: Any) -> Any:
        try:
            return await original(*args, **options)
        except BaseException:  # includes GeneratorExit, which cancels a task
            if sock := socket_of(*args):
                sock.close()
            raise

    setattr(owner, name, closing)
