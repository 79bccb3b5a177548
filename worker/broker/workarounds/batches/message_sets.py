"""Message sets (formats 0 and 1), which producers older than Kafka 0.11 write."""

import struct
from collections.abc import Iterator
from typing import Any

from kafka.record.legacy_records import LegacyRecord, LegacyRecordBatch

from stripwatch.worker.broker.workarounds.batches.batch_faults import Fault, too_large_value, unread_value
from stripwatch.worker.broker.workarounds.batches.decompression import BlockTooLargeError, unpack
from stripwatch.worker.broker.workarounds.batches.limits import UNREADABLE_MAX

_MESSAGES_MAX = 100_000  # per compressed message set
_MESSAGE_OVERHEAD = 14  # bytes of format 0: CRC, magic, attributes, two lengths


class BoundedMessageSet(LegacyRecordBatch):  # type: ignore[misc]
    """One message, or a compressed set of messages, read within limits."""

    __slots__ = ("faults", "limits", "partition", "start")

    def validate_crc(self) -> bool:
        return bool(super().validate_crc()) or self.faults.is_lasting(self.partition, self.base_offset)

    def __iter__(self) -> Iterator[Any]:
        expected = self.start
        try:
            for record in super().__iter__():
                if not record.validate_crc():
                    raise ValueError("a checksum does not match")
                expected = max(expected, record.offset + 1)
                yield self._bounded(record)
        except MemoryError:
            raise
        except (OverflowError, BlockTooLargeError) as error:
            yield from self._unreadable(expected, "too_large", f"it unpacks to too many bytes: {error}")
        except Exception as error:
            yield from self._unreadable(expected, "damaged", f"{type(error).__name__}: {error}")

    @property
    def batch_name(self) -> str:
        """Topic, partition and base offset, for messages."""
        return f"{self.partition}-{self.base_offset}"

    def _bounded(self, record: Any) -> Any:
        if record.value is not None and len(record.value) > self.limits.record_bytes_max:
            record._value = too_large_value(len(record.value), self.limits.record_bytes_max)
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
                raise ValueError("a message does not have the stated length")
            found.append((header, at))
            if len(found) > _MESSAGES_MAX:
                raise OverflowError(f"more than {_MESSAGES_MAX} messages")
            at += self.LOG_OVERHEAD + header[1]
        return found

    def _unreadable(self, offset: int, fault: Fault, detail: str) -> Iterator[Any]:
        """Yield discarded records up to the offset of the set, which is that of its last message."""
        self.faults.record(fault, self.batch_name, detail)
        value = unread_value(fault, self.batch_name, detail)
        for number in range(offset, min(self.base_offset + 1, offset + UNREADABLE_MAX)):
            yield LegacyRecord(self.magic, number, self._timestamp or -1, self.timestamp_type, None, value, 0, b"")
