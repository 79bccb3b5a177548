"""A poll returns up to max_poll_records records whatever their size, and hangs after an error in a batch.

Version: kafka-python 3.0.12
Symptom: One poll of 64 frames returned a gigabyte. After an exception from a record batch the next poll looped forever,
    because it kept the finished iterator of the batch. Without a broker `position` returned None after 30 s, which a
    reader compared with an offset.
Workaround: Also end a poll by bytes, read the partition again after an error, and raise if the position is not known.
Shown by: test_kafka_python_polls_records_of_any_size, test_raises_if_the_position_is_not_known
"""

import itertools
from functools import partial
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.fetcher import Fetcher
from kafka.errors import KafkaTimeoutError
from kafka.structs import TopicPartition

from stripwatch.worker.broker.workarounds.batches.batch_faults import BatchFaults
from stripwatch.worker.broker.workarounds.batches.limits import FetchLimits
from stripwatch.worker.broker.workarounds.batches.partition_batches import BoundedBatches
from stripwatch.worker.broker.workarounds.consumer.parked_records import release_parked_records


class BoundedConsumer(KafkaConsumer):  # type: ignore[misc]
    """KafkaConsumer that never holds more bytes than its limits allow.

    Attributes:
        poll_bytes_max: Size in bytes at which a poll ends. May be set before each poll.
        faults: Reports batches that cannot be read.
    """

    def __init__(self, *topics: str, limits: FetchLimits, **options: Any) -> None:
        self.poll_bytes_max = limits.batch_bytes_max
        self.faults = BatchFaults()
        super().__init__(*topics, **options)
        fetcher = self._fetcher
        fetcher.PartitionRecords = partial(_BoundedRecords, self, limits)
        fetcher._append = partial(_append, self, fetcher._append)
        fetcher.fetched_records = partial(_fetched_records, self, fetcher.fetched_records)
        self._bytes_left = 0

    def position(self, partition: TopicPartition, timeout_ms: int | None = None) -> int:
        """Return the offset of the next record. Raises KafkaTimeoutError if Kafka does not provide it in time."""
        offset: int | None = super().position(partition, timeout_ms)
        if offset is None:
            raise KafkaTimeoutError(f"the position in {partition.topic}-{partition.partition} is not known")
        return offset


def _fetched_records(consumer: BoundedConsumer, fetched_records: Any, *args: Any, **kwargs: Any) -> Any:
    consumer._bytes_left = consumer.poll_bytes_max
    release_parked_records(consumer._fetcher)
    return fetched_records(*args, **kwargs)


def _append(consumer: BoundedConsumer, append: Any, drained: Any, part: Any, max_records: int, *args: Any) -> int:
    """Return the number of records, or max_records if the byte limit is reached, which ends the poll."""
    count: int = append(drained, part, max_records, *args)
    return max_records if consumer._bytes_left <= 0 else count


class _BoundedRecords(Fetcher.PartitionRecords):  # type: ignore[misc]
    """Records of one partition in one fetch."""

    def __init__(
        self,
        consumer: BoundedConsumer,
        limits: FetchLimits,
        fetch_offset: int,
        partition: Any,
        records: Any,
        **options: Any,
    ) -> None:
        self._consumer = consumer
        name = f"{partition.topic}-{partition.partition}"
        batches = BoundedBatches(records, limits, consumer.faults, name, lambda: self.next_fetch_offset)
        super().__init__(fetch_offset, partition, batches, **options)

    def take(self, n: int | None = None) -> list[Any]:
        """Return at most n records, of which the last may exceed the byte limit.

        Raises any exception of the batch; the partition is then fetched again from the same offset.
        """
        records: list[Any] = []
        try:
            self._maybe_raise_next_inline_exception()
            for record in itertools.islice(self.record_iterator, n):
                records.append(record)
                if not self._has_room_after(record):
                    break
        except Exception as failure:
            if not records:
                self.drain()
                raise
            self._next_inline_exception = failure
        return records

    def _has_room_after(self, record: Any) -> bool:
        sizes = record.serialized_key_size, record.serialized_value_size, record.serialized_header_size
        self._consumer._bytes_left -= sum(size for size in sizes if size > 0)
        return self._consumer._bytes_left > 0
