"""Send a record batch that is far larger decompressed than on the wire, which no Kafka client would build.

The layout is Kafka's record batch v2 in a Produce request v7, which brokers from 3.9 on still accept.
"""

import socket
import struct
from collections.abc import Iterator, Sequence

import zstandard
from crc32c import crc32c

GIANT_RECORDS, RECORD_BYTES = 62, 17_000_000
_ZSTD = 4
_ANSWER_S_MAX = 60.0


class BatchRefusedError(Exception):
    """The broker rejected the batch. code: error code of the Kafka protocol."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Kafka rejected the batch with error code {code}")
        self.code = code

    @property
    def passes(self) -> bool:
        """Return whether the error is temporary: a broker returns it until it knows that it leads a new partition."""
        return self.code in (3, 5, 6)  # UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER


def giant_batch(headers: Sequence[Sequence[tuple[str, bytes]]], record_bytes: int, timestamp_ms: int) -> bytes:
    """Build a batch with one record per entry of `headers`; each value is `record_bytes` zero bytes."""
    compress = zstandard.ZstdCompressor(level=1).compressobj()
    body = b"".join(compress.compress(part) for part in _records(headers, record_bytes)) + compress.flush()
    last = len(headers) - 1
    # attributes, last offset delta, first and last timestamp, producer id, epoch and sequence (none), record count
    checked = struct.pack(">hiqqqhii", _ZSTD, last, timestamp_ms, timestamp_ms, -1, -1, -1, last + 1) + body
    batch = struct.pack(">ibI", -1, 2, crc32c(checked)) + checked  # leader epoch, magic
    return struct.pack(">qi", 0, len(batch)) + batch


def produce(address: str, topic: str, partition: int, batch: bytes) -> int:
    """Send the batch to the leader, wait until it is replicated, and return the offset of its first record."""
    name = topic.encode()
    header = struct.pack(">hhih", 0, 7, 1, 6) + b"faults"  # Produce, version, correlation id, client id
    body = struct.pack(">hhi", -1, -1, 30_000)  # no transaction, acks=all, timeout
    body += struct.pack(">ih", 1, len(name)) + name + struct.pack(">iii", 1, partition, len(batch)) + batch
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=_ANSWER_S_MAX) as connection,
        connection.makefile("rb") as answer,
    ):
        connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        (size,) = struct.unpack(">i", answer.read(4))
        found = answer.read(size)
    at = 4 + 4 + 2 + len(name) + 4 + 4  # correlation id, topic count, topic name, partition count, partition number
    error, offset = struct.unpack(">hq", found[at : at + 10])
    if error:
        raise BatchRefusedError(error)
    return int(offset)


def _records(headers: Sequence[Sequence[tuple[str, bytes]]], record_bytes: int) -> Iterator[bytes]:
    """Yield the bytes of each record in three parts: before the value, the value, and after it."""
    zeros = bytes(record_bytes)
    for delta, own in enumerate(headers):
        # attributes, timestamp delta, offset delta, no key, length of the value
        before = b"\0" + _varint(0) + _varint(delta) + _varint(-1) + _varint(record_bytes)
        after = _varint(len(own)) + b"".join(
            _varint(len(name)) + name.encode() + _varint(len(value)) + value for name, value in own
        )
        yield _varint(len(before) + record_bytes + len(after)) + before
        yield zeros
        yield after


def _varint(value: int) -> bytes:
    """Encode an integer as a zigzag varint, seven bits per byte."""
    left = (value << 1) ^ (value >> 63)
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)
