"""In three cases a socket is left to the garbage collector instead of being closed.

Version: kafka-python 3.0.12
Symptom: A file stays open until the collector runs, after a connection that is refused, times out, or is given up
    because its client closes meanwhile; after a TLS handshake that fails; and after a connection that closes with
    unsent bytes, when its client closes before the broker takes them.
Workaround: Close the socket of a connection that fails or is cancelled.
Shown by: test_kafka_python_leaves_it_open_by_itself
"""

import socket
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

_Method = Callable[..., Awaitable[Any]]


def close_sockets() -> None:
    """From now on, every connection of this process closes its socket when it fails or is cancelled."""
    _wrap(KafkaNetSocket, "sock_connect", lambda *args: args[2])  # connector, selector, socket
    _wrap(KafkaSSLTransport, "handshake", lambda transport: transport._sock)
    _wrap(KafkaTCPTransport, "_write_to_sock", lambda transport: transport._sock)


def _wrap(owner: type, name: str, socket_of: Callable[..., socket.socket | None]) -> None:
    original: _Method = owner.__dict__[name]
    if hasattr(original, "__wrapped__"):
        return  # each client asks for it

    @wraps(original)
    async def closing(*args: Any, **options: Any) -> Any:
        try:
            return await original(*args, **options)
        except BaseException:  # GeneratorExit too, by which a task is cancelled
            if sock := socket_of(*args):
                sock.close()
            raise

    setattr(owner, name, closing)
