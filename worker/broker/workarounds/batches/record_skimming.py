"""Reading of keys, headers and value sizes from a stream, without keeping the values."""

from collections.abc import Iterator
from typing import NamedTuple

from stripwatch.worker.broker.workarounds.batches.limits import HEADERS_MAX

FIELD_BYTES_MAX = 16_385  # one byte over the limit of the headers of a frame


class SkimmedRecord(NamedTuple):
    """Record without its value.

    value_bytes: size of the value; None if there is no value. Keys and headers over a limit are cut to one byte more
    than the limit, so that they still exceed it.
    """

    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    value_bytes: int | None
    headers: list[tuple[str, bytes | None]]


def skim(pieces: Iterator[bytes], count: int, bytes_max: int) -> Iterator[SkimmedRecord]:
    """Yield the next `count` records. Raises ValueError for a damaged record, OverflowError after bytes_max bytes."""
    stream = _Stream(pieces, bytes_max)
    for _ in range(count):
        end = stream.varint() + stream.position
        stream.varint()  # attributes
        timestamp_delta, offset_delta = stream.varint(), stream.varint()
        key = stream.field()
        value_bytes = stream.varint()
        stream.skip(max(0, value_bytes))
        headers = [_header(stream) for _ in range(min(HEADERS_MAX, stream.varint()))]
        stream.skip(end - stream.position)
        yield SkimmedRecord(timestamp_delta, offset_delta, key, None if value_bytes < 0 else value_bytes, headers)


def _header(stream: "_Stream") -> tuple[str, bytes | None]:
    name = stream.field() or b""
    return name.decode(errors="backslashreplace"), stream.field()


class _Stream:
    """Stream that holds one piece at a time. position: number of bytes read or skipped."""

    def __init__(self, pieces: Iterator[bytes], bytes_max: int) -> None:
        self._pieces = pieces
        self._bytes_max = bytes_max
        self._piece = b""
        self._at = 0
        self.position = 0

    def varint(self) -> int:
        """Read a signed varint of the Kafka protocol: zigzag encoding, seven bits per byte."""
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise ValueError("a varint has more than 64 bits")

    def field(self) -> bytes | None:
        """Read bytes with a length prefix; None if the length is negative. Longer fields are cut to FIELD_BYTES_MAX."""
        size = self.varint()
        if size < 0:
            return None
        kept = self._take(min(size, FIELD_BYTES_MAX))
        self.skip(size - len(kept))
        return kept

    def skip(self, size: int) -> None:
        """Skip bytes."""
        if size < 0:
            raise ValueError("a record exceeds its stated length")
        while size > (left := len(self._piece) - self._at):
            size -= left
            self._move(left)
            self._next_piece()
        self._move(size)

    def _take(self, size: int) -> bytes:
        taken = b""
        while len(taken) < size:
            if self._at == len(self._piece):
                self._next_piece()
            part = self._piece[self._at : self._at + size - len(taken)]
            taken += part
            self._move(len(part))
        return taken

    def _byte(self) -> int:
        if self._at == len(self._piece):
            self._next_piece()
        byte = self._piece[self._at]
        self._move(1)
        return byte

    def _move(self, size: int) -> None:
        self._at += size
        self.position += size

    def _next_piece(self) -> None:
        if self.position > self._bytes_max:
            raise OverflowError(f"more than {self._bytes_max} bytes")
        piece = next(self._pieces, None)
        if piece is None:
            raise ValueError("the batch ends before its last record")
        self._piece, self._at = piece, 0
