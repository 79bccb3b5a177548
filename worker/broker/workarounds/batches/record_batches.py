"""Record batches of format 2, which all producers since Kafka 0.11 write."""

from collections.abc import Iterator
from typing import Any

from kafka.record.default_records import ControlRecord, DefaultRecord, DefaultRecordBatch
from kafka.record.util import decode_varint

from stripwatch.worker.broker.workarounds.batches.batch_faults import Fault, too_large_value, unread_value
from stripwatch.worker.broker.workarounds.batches.decompression import BlockTooLargeError, unpack
from stripwatch.worker.broker.workarounds.batches.limits import HEADERS_MAX, UNREADABLE_MAX
from stripwatch.worker.broker.workarounds.batches.record_skimming import skim
from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import DiscardedValue

_SKIMMED_BATCHES_MAX = 64  # keys and headers are read from at most this many times the limit of a batch
_SMALL_BYTES = 32_768  # per record; parsing a copy is faster below this size, and copying costs more above it
_HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size

Buffer = bytes | bytearray | memoryview


class BoundedBatch(DefaultRecordBatch):  # type: ignore[misc]
    """Record batch of format 2. Iteration yields DefaultRecords in order, one for each offset of the batch."""

    __slots__ = ("_has_right_crc", "faults", "limits", "partition", "start")

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer  # type: ignore[misc]  # kafka-python would copy it
        self._header_data = self.HEADER_STRUCT.unpack_from(buffer)  # type: ignore[misc]
        self._decompressed = False  # type: ignore[misc]
        self._has_right_crc = True

    @property
    def last_offset(self) -> int:
        """Last offset by the header, unless the checksum is wrong and the number of records contradicts it."""
        delta: int = self.last_offset_delta
        fits = delta + 1 == self.records_count <= UNREADABLE_MAX
        last: int = self.base_offset + delta if delta >= 0 and (self._has_right_crc or fits) else self.start
        return last

    def validate_crc(self) -> bool:
        """Return False to fetch the batch again. After some attempts it is damaged, and its frames are rejected."""
        self._has_right_crc = super().validate_crc()
        return self._has_right_crc or self.faults.is_lasting(self.partition, self.base_offset)

    def __iter__(self) -> Iterator[Any]:
        expected, last = self.base_offset, self.last_offset
        try:
            if not self._has_right_crc:
                raise ValueError("its checksum does not match")
            for record in self._records():
                offset = record._offset
                if not expected <= offset <= last:
                    raise ValueError(f"a record has the unexpected offset {offset}")
                expected = offset + 1
                yield record
        except MemoryError:
            raise
        except (OverflowError, BlockTooLargeError) as error:
            yield from self._unreadable(
                max(expected, self.start), "too_large", f"it unpacks to too many bytes: {error}"
            )
        except Exception as error:  # six libraries read arbitrary bytes here, and raise many kinds of exceptions
            yield from self._unreadable(max(expected, self.start), "damaged", f"{type(error).__name__}: {error}")

    @property
    def batch_name(self) -> str:
        """Topic, partition and base offset, for messages."""
        return f"{self.partition}-{self.base_offset}"

    def __next__(self) -> Any:
        """Return the first record. kafka-python calls this only for control batches, which have one record."""
        return next(iter(self), None)

    def _records(self) -> Iterator[Any]:
        packed = memoryview(self._buffer)[_HEADER_BYTES:]
        if not self.compression_type:
            has_small_records = len(packed) < _SMALL_BYTES * self.records_count
            return self._parsed(bytes(packed) if has_small_records else packed)
        unpacked = bytearray()
        for piece in unpack(self.compression_type, packed, self.limits.batch_bytes_max):
            unpacked += piece
            if len(unpacked) > self.limits.batch_bytes_max:
                return self._skimmed(packed)
        has_small_records = len(unpacked) < _SMALL_BYTES * self.records_count
        return self._parsed(unpacked if has_small_records else memoryview(unpacked))

    def _parsed(self, buffer: Buffer) -> Iterator[Any]:
        """Yield the records of a buffer. One loop, local names and a single copy of each value keep it fast."""
        base, first_ms, size_max = self.base_offset, self.first_timestamp, self.limits.record_bytes_max
        kind, at = self.timestamp_type, 0
        appended_ms = self.max_timestamp if kind == self.LOG_APPEND_TIME else None
        new_record = ControlRecord if self.is_control_batch else DefaultRecord
        for _ in range(self.records_count):
            length, at = decode_varint(buffer, at)
            end = at + length
            _, at = decode_varint(buffer, at)  # attributes, which are unused
            ms, at = decode_varint(buffer, at)
            offset, at = decode_varint(buffer, at)
            size, at = decode_varint(buffer, at)
            key = None
            if size >= 0:
                key = bytes(buffer[at : at + size])
                at += size
            size, at = decode_varint(buffer, at)
            value: bytes | None = None
            if size > size_max:
                value = too_large_value(size, size_max)
                at += size
            elif size >= 0:
                value = bytes(buffer[at : at + size])
                at += size
            count, at = decode_varint(buffer, at)
            headers, at = _headers(buffer, at, count, end) if count else ([], at)
            if at != end or end > len(buffer):
                raise ValueError("a record does not have the stated length")
            yield new_record(
                length, base + offset, first_ms + ms if appended_ms is None else appended_ms, kind, key, value, headers
            )
        if at != len(buffer):
            raise ValueError(f"{len(buffer) - at} bytes follow its last record")

    def _skimmed(self, packed: memoryview) -> Iterator[Any]:
        bytes_max = self.limits.batch_bytes_max
        self.faults.record("too_large", self.batch_name, f"it unpacks to more than {bytes_max} bytes")
        pieces = unpack(self.compression_type, packed, bytes_max)
        for record in skim(pieces, self.records_count, bytes_max * _SKIMMED_BATCHES_MAX):
            value = None
            if record.value_bytes is not None:
                detail = f"{record.value_bytes} bytes, in a record batch that unpacks to over the limit of {bytes_max}"
                value = DiscardedValue.of(record.value_bytes, RejectReason.TOO_MANY_BYTES, detail)
            appended = self.timestamp_type == self.LOG_APPEND_TIME
            ms = self.max_timestamp if appended else self.first_timestamp + record.timestamp_delta
            offset = self.base_offset + record.offset_delta
            yield DefaultRecord(0, offset, ms, self.timestamp_type, record.key, value, record.headers)

    def _unreadable(self, offset: int, fault: Fault, detail: str) -> Iterator[Any]:
        self.faults.record(fault, self.batch_name, detail)
        left = min(self.last_offset + 1 - offset, max(1, self.records_count), UNREADABLE_MAX)
        value = unread_value(fault, self.batch_name, detail)
        for number in range(offset, offset + left):
            yield DefaultRecord(0, number, self.max_timestamp, self.timestamp_type, None, value, [])


def _headers(buffer: Buffer, at: int, count: int, end: int) -> tuple[list[tuple[str, bytes | None]], int]:
    """Return the first HEADERS_MAX headers and the end of the record. Names that are not UTF-8 are escaped."""
    if count < 0:
        raise ValueError(f"a record has {count} headers")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(min(count, HEADERS_MAX)):
        size, at = decode_varint(buffer, at)
        if size < 0:
            raise ValueError(f"the name of a header has {size} bytes")
        name = str(buffer[at : at + size], "utf-8", "backslashreplace")
        at += size
        size, at = decode_varint(buffer, at)
        value = None
        if size >= 0:
            value = bytes(buffer[at : at + size])
            at += size
        headers.append((name, value))
    return headers, end if count > HEADERS_MAX else at
