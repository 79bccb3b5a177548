"""Record batches of one partition in one fetch."""

from collections.abc import Callable
from typing import Any

from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecordBatch

from stripwatch.worker.broker.workarounds.batches.batch_faults import BatchFaults
from stripwatch.worker.broker.workarounds.batches.limits import FetchLimits
from stripwatch.worker.broker.workarounds.batches.message_sets import BoundedMessageSet
from stripwatch.worker.broker.workarounds.batches.record_batches import BoundedBatch

_HEADER_BYTES = DefaultRecordBatch.HEADER_STRUCT.size
_MAGIC_AT = 16


class BoundedBatches:
    """Replacement for kafka-python's MemoryRecords, for one partition of one fetch.

    next_offset: returns the offset of the next record to read.
    """

    def __init__(
        self, records: Any, limits: FetchLimits, faults: BatchFaults, partition: str, next_offset: Callable[[], int]
    ) -> None:
        self._records = records
        self._limits = limits
        self._faults = faults
        self._partition = partition
        self._next_offset = next_offset

    def next_batch(self) -> Any:
        """Return the next batch or message set, or None after the last. Raises CorruptRecordError if it is neither."""
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
