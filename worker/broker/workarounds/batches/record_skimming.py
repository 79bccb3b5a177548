"""Read the records of a compressed batch from a stream, without their values."""

from collections.abc import Iterator
from typing import NamedTuple

from stripwatch.worker.broker.workarounds.batches.limits import HEADERS_MAX

FIELD_BYTES_MAX = 16_385  # one byte more than what is kept of a frame


class SkimmedRecord(NamedTuple):
    """value_bytes: None where there is no value. Keys and headers over the limits are cut, and still over them."""

    timestamp_delta: int
    offset_delta: int
    key: bytes | None
    value_bytes: int | None
    headers: list[tuple[str, bytes | None]]


def skim(pieces: Iterator[bytes], count: int, bytes_max: int) -> Iterator[SkimmedRecord]:
    """The next `count` records. Raises ValueError for a damaged one, OverflowError after bytes_max."""
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
    """Holds one piece at a time. position: bytes that were read or skipped."""

    def __init__(self, pieces: Iterator[bytes], bytes_max: int) -> None:
        self._pieces = pieces
        self._bytes_max = bytes_max
        self._piece = b""
        self._at = 0
        self.position = 0

    def varint(self) -> int:
        """A signed number as Kafka writes it: zigzag, seven bits a byte."""
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)
        raise ValueError("a number has more than 64 bits")

    def field(self) -> bytes | None:
        """Bytes with their length before them; None where that is negative."""
        size = self.varint()
        if size < 0:
            return None
        kept = self._take(min(size, FIELD_BYTES_MAX))
        self.skip(size - len(kept))
        return kept

    def skip(self, size: int) -> None:
        if size < 0:
            raise ValueError("a record is longer than it says")
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
            raise ValueError("it ends before its last record")
        self._piece, self._at = piece, 0
