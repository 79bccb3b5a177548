"""kafka-python 3.0.12 reads a record batch into memory whatever it unpacks to, and stops for good at a damaged one.

Symptoms: a batch of 1 MB that unpacks to 1 GB takes 2 GB; one forged number of headers takes gigabytes; after an error
in the middle of a batch `poll` never returns; a header name that is not UTF-8 raises CorruptRecordError forever.
Here no batch takes more than its limits, and each of its offsets comes out: as a record, or as one whose value is a
DiscardedValue. `tests/worker/broker/workarounds/test_record_batches.py` fails the day kafka-python does the same.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import structlog
from kafka.errors import CorruptRecordError
from kafka.record.default_records import ControlRecord, DefaultRecord, DefaultRecordBatch
from kafka.record.legacy_records import LegacyRecord, LegacyRecordBatch
from kafka.record.util import decode_varint

from stripwatch.worker.broker.workarounds.decompression import BlockTooLargeError, unpack
from stripwatch.worker.broker.workarounds.record_skimming import skim
from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import DiscardedValue

log = structlog.get_logger()

HEADERS_MAX = 1000
_SKIMMED_BATCHES_MAX = 64  # as many times the limit of a batch are read through for keys and headers
_UNREADABLE_MAX = 100_000  # rejects of one damaged batch; no sender makes batches of so many frames
_CRC_TRIES = 3
_MESSAGES_MAX = 100_000  # of one compressed message set
_SMALL_BYTES = 32_768  # of a record: below, numbers are read faster than a copy costs; above, the copy counts
_HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size
_MAGIC_AT = 16
_MESSAGE_OVERHEAD = 14  # of format 0: crc, magic, attributes, two lengths

Buffer = bytes | bytearray | memoryview
Fault = Literal["too_large", "damaged"]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """record_bytes_max: of a value that is kept. batch_bytes_max: of a compressed batch, unpacked."""

    record_bytes_max: int
    batch_bytes_max: int


class BatchFaults:
    """Tells of batches that cannot be read as they are, once each; and how often a checksum failed."""

    def __init__(self) -> None:
        self.report: Callable[[Fault], None] = lambda _: None
        self._failed: dict[str, tuple[int, int]] = {}  # by partition: the offset of a batch, and how often

    def found(self, fault: Fault, place: str, detail: str) -> None:
        self.report(fault)
        log.error("record batch cannot be read as it is; its frames are rejected", place=place, detail=detail)

    def is_lasting(self, partition: str, offset: int) -> bool:
        """Whether the batch there has failed its checksum so often that reading it again will not help."""
        failed_offset, count = self._failed.get(partition, (offset, 0))
        count = count + 1 if failed_offset == offset else 1
        self._failed[partition] = (offset, count)
        return count >= _CRC_TRIES


class BoundedBatches:
    """In place of kafka-python's MemoryRecords, for one partition of one fetch.

    next_offset: where reading has got to.
    """

    def __init__(
        self, records: Any, limits: BatchLimits, faults: BatchFaults, partition: str, next_offset: Callable[[], int]
    ) -> None:
        self._records = records
        self._limits = limits
        self._faults = faults
        self._partition = partition
        self._next_offset = next_offset

    def next_batch(self) -> Any:
        """The next batch or message set, None after the last. Raises CorruptRecordError where none can be told."""
        piece = self._records._next_slice
        if piece is None:
            return None
        if len(piece) < self._records.MIN_SLICE:
            raise CorruptRecordError(f"a record batch of {self._partition} has {len(piece)} bytes")
        self._records._cache_next()
        magic = piece[_MAGIC_AT]
        if magic >= 2 and len(piece) < _HEADER_BYTES:
            raise CorruptRecordError(f"a record batch of {self._partition} has {len(piece)} bytes")
        batch = BoundedBatch(piece) if magic >= 2 else BoundedMessageSet(piece, magic)
        batch.limits, batch.faults, batch.partition = self._limits, self._faults, self._partition
        batch.start = self._next_offset()
        return batch


class BoundedBatch(DefaultRecordBatch):  # type: ignore[misc]
    """Format 2. Iterating gives DefaultRecords in order, one for each offset that the batch is said to hold."""

    __slots__ = ("_has_right_crc", "faults", "limits", "partition", "start")

    def __init__(self, buffer: memoryview) -> None:
        self._buffer = buffer  # type: ignore[misc]  # kafka-python copies it
        self._header_data = self.HEADER_STRUCT.unpack_from(buffer)  # type: ignore[misc]
        self._decompressed = False  # type: ignore[misc]
        self._has_right_crc = True

    @property
    def last_offset(self) -> int:
        """As the header says, unless the checksum that covers it is wrong and the number of records does not fit."""
        delta: int = self.last_offset_delta
        fits = delta + 1 == self.records_count <= _UNREADABLE_MAX
        last: int = self.base_offset + delta if delta >= 0 and (self._has_right_crc or fits) else self.start
        return last

    def validate_crc(self) -> bool:
        """False: read it again. After some tries it counts as damaged, and its frames as lost."""
        self._has_right_crc = super().validate_crc()
        return self._has_right_crc or self.faults.is_lasting(self.partition, self.base_offset)

    def __iter__(self) -> Iterator[Any]:
        expected, last = self.base_offset, self.last_offset
        try:
            if not self._has_right_crc:
                raise ValueError("its checksum is wrong")
            for record in self._records():
                offset = record._offset
                if not expected <= offset <= last:
                    raise ValueError(f"a record says that it has offset {offset}")
                expected = offset + 1
                yield record
        except MemoryError:
            raise
        except (OverflowError, BlockTooLargeError) as error:
            yield from self._unreadable(max(expected, self.start), "too_large", f"it unpacks to too much: {error}")
        except Exception as error:  # of six libraries, which were given arbitrary bytes
            yield from self._unreadable(max(expected, self.start), "damaged", f"{type(error).__name__}: {error}")

    @property
    def place(self) -> str:
        return f"{self.partition}-{self.base_offset}"

    def __next__(self) -> Any:
        """The record of a control batch: kafka-python asks for it alone."""
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
        """Each record of a buffer. What makes it fast: one loop, local names, one copy of each value."""
        base, first_ms, size_max = self.base_offset, self.first_timestamp, self.limits.record_bytes_max
        kind, at = self.timestamp_type, 0
        appended_ms = self.max_timestamp if kind == self.LOG_APPEND_TIME else None
        new_record = ControlRecord if self.is_control_batch else DefaultRecord
        for _ in range(self.records_count):
            length, at = decode_varint(buffer, at)
            end = at + length
            _, at = decode_varint(buffer, at)  # attributes: none are in use
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
                value = _too_large(size, size_max)
                at += size
            elif size >= 0:
                value = bytes(buffer[at : at + size])
                at += size
            count, at = decode_varint(buffer, at)
            headers, at = _headers(buffer, at, count, end) if count else ([], at)
            if at != end or end > len(buffer):
                raise ValueError("a record is not as long as it says")
            yield new_record(
                length, base + offset, first_ms + ms if appended_ms is None else appended_ms, kind, key, value, headers
            )
        if at != len(buffer):
            raise ValueError(f"{len(buffer) - at} bytes follow its last record")

    def _skimmed(self, packed: memoryview) -> Iterator[Any]:
        bytes_max = self.limits.batch_bytes_max
        self.faults.found("too_large", self.place, f"it unpacks to more than {bytes_max} bytes")
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
        self.faults.found(fault, self.place, detail)
        left = min(self.last_offset + 1 - offset, max(1, self.records_count), _UNREADABLE_MAX)
        value = _unread(fault, self.place, detail)
        for number in range(offset, offset + left):
            yield DefaultRecord(0, number, self.max_timestamp, self.timestamp_type, None, value, [])


class BoundedMessageSet(LegacyRecordBatch):  # type: ignore[misc]
    """Formats 0 and 1, from before Kafka 0.11: one message, or a compressed set of them."""

    __slots__ = ("faults", "limits", "partition", "start")

    def validate_crc(self) -> bool:
        return bool(super().validate_crc()) or self.faults.is_lasting(self.partition, self.base_offset)

    def __iter__(self) -> Iterator[Any]:
        expected = self.start
        try:
            for record in super().__iter__():
                if not record.validate_crc():
                    raise ValueError("a checksum is wrong")
                expected = max(expected, record.offset + 1)
                yield self._bounded(record)
        except MemoryError:
            raise
        except (OverflowError, BlockTooLargeError) as error:
            yield from self._unreadable(expected, "too_large", f"it unpacks to too much: {error}")
        except Exception as error:
            yield from self._unreadable(expected, "damaged", f"{type(error).__name__}: {error}")

    @property
    def place(self) -> str:
        return f"{self.partition}-{self.base_offset}"

    def _bounded(self, record: Any) -> Any:
        if record.value is not None and len(record.value) > self.limits.record_bytes_max:
            record._value = _too_large(len(record.value), self.limits.record_bytes_max)
        return record

    def _decompress(self, key_offset: int) -> bytearray:
        at = key_offset + 4 + max(0, self._size(key_offset))
        packed = memoryview(self._buffer)[at + 4 : at + 4 + self._size(at)]
        unpacked = bytearray()
        for piece in unpack(self.compression_type, packed, self.limits.batch_bytes_max):
            unpacked += piece
            if len(unpacked) > self.limits.batch_bytes_max:
                raise OverflowError(f"more than {self.limits.batch_bytes_max} bytes")
        return unpacked

    def _size(self, at: int) -> int:
        size: int = struct.unpack_from(">i", self._buffer, at)[0]
        return size

    def _read_all_headers(self) -> list[Any]:
        at, found = 0, []
        while at < len(self._buffer):
            header = self._read_header(at)
            if header[1] < _MESSAGE_OVERHEAD or at + self.LOG_OVERHEAD + header[1] > len(self._buffer):
                raise ValueError("a message is not as long as it says")
            found.append((header, at))
            if len(found) > _MESSAGES_MAX:
                raise OverflowError(f"more than {_MESSAGES_MAX} messages")
            at += self.LOG_OVERHEAD + header[1]
        return found

    def _unreadable(self, offset: int, fault: Fault, detail: str) -> Iterator[Any]:
        """Up to the offset of the set, which is that of its last message."""
        self.faults.found(fault, self.place, detail)
        value = _unread(fault, self.place, detail)
        for number in range(offset, min(self.base_offset + 1, offset + _UNREADABLE_MAX)):
            yield LegacyRecord(self.magic, number, self._timestamp or -1, self.timestamp_type, None, value, 0, b"")


def _headers(buffer: Buffer, at: int, count: int, end: int) -> tuple[list[tuple[str, bytes | None]], int]:
    """The first HEADERS_MAX, and where the record ends. Names that are not UTF-8 get backslashes and numbers."""
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


def _too_large(size: int, limit: int) -> DiscardedValue:
    return DiscardedValue.of(size, RejectReason.TOO_MANY_BYTES, f"{size} bytes, over the limit of {limit}")


def _unread(fault: Fault, place: str, detail: str) -> DiscardedValue:
    reason = RejectReason.TOO_MANY_BYTES if fault == "too_large" else RejectReason.UNDECODABLE
    return DiscardedValue.of(0, reason, f"the record batch {place} cannot be read: {detail}"[:500])
