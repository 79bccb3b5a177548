"""Sockets are read 4 KB at a time, 31 calls for 125 KB, and each wait for a socket formats an exception.

Version: kafka-python 3.0.12
Symptom: Each read releases the GIL and waits to reacquire it. Before each wait for a socket it asks the selector for a
    key that is not registered, and the KeyError formats the socket.
Workaround: Read all available bytes, and raise a KeyError that does not format the socket.
Shown by: test_kafka_python_reads_4_kb_per_call
"""

import selectors
from typing import Any

from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaTCPTransport

_READ_BYTES = 65_536  # by default glibc maps new memory for each block of 128 KB or more
_READS_MAX = 16  # per call; the bytes are copied twice more before they become a response


class PlainSelector(selectors.DefaultSelector):
    """Selector that looks up keys by file descriptor, and raises a KeyError that does not format the socket."""

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Return a registered key. Raises KeyError, or ValueError for a closed socket that was never registered."""
        try:
            key: selectors.SelectorKey = self._fd_to_key[self._fileobj_lookup(fileobj)]  # type: ignore[attr-defined]
        except KeyError:
            raise KeyError(fileobj) from None
        return key


def read_available_bytes() -> None:
    """Make all connections of this process without TLS read all available bytes per call."""
    KafkaTCPTransport._sock_recv = _receive


def _receive(self: Any) -> tuple[bytes, BaseException | None]:
    """Return the available bytes, at most 1 MiB, and the error if the connection has ended."""
    received = []
    try:
        while data := self._sock.recv(_READ_BYTES):
            received.append(data)
            if len(received) == _READS_MAX:
                return b"".join(received), None
        error: BaseException | None = KafkaConnectionError("socket disconnected")
    except (BlockingIOError, InterruptedError):
        error = None
    except Exception as failure:
        error = KafkaConnectionError(failure)
    return b"".join(received), error
