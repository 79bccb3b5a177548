"""Sockets are read 4 KB at a time, 31 calls for 125 KB, and each wait for a socket formats an exception.

Version: kafka-python 3.0.12
Symptom: It reads 4 KB a call, each of which releases the GIL and waits to have it back. Before it waits for a socket it
    asks its selector for a key that is not there, whose refusal spells the socket out.
Workaround: Read as much as is there, and refuse an unknown key in few words.
Shown by: test_kafka_python_still_reads_little
"""

import selectors
from typing import Any

from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaTCPTransport

_READ_BYTES = 65_536  # glibc maps new memory for each block of 128 KB or more
_READS_MAX = 16  # of one call: what it returns is held twice more before it is a response


class PlainSelector(selectors.DefaultSelector):
    """Knows what is registered by its number alone, and refuses in few words."""

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """Raises KeyError, and ValueError for a closed one that was never registered."""
        try:
            key: selectors.SelectorKey = self._fd_to_key[self._fileobj_lookup(fileobj)]  # type: ignore[attr-defined]
        except KeyError:
            raise KeyError(fileobj) from None
        return key


def read_much() -> None:
    """From now on connections without TLS are read by as much as is there."""
    KafkaTCPTransport._sock_recv = _receive


def _receive(self: Any) -> tuple[bytes, BaseException | None]:
    """What has come in, a megabyte at most; and why nothing more will come."""
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
