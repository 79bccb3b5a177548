"""The start offsets of `stripwatch coils` after a restart, and the records it keeps for processing in time order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.broker.consumers import partition_of
from stripwatch.worker.coils.tracking.coil_part import EventSource
from stripwatch.worker.coils.tracking.observations import Observation, observation_from_record
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.contracts.replay_mark import replayed_id


class CommittedStarts:
    """Seeks to the committed offsets, from which open coils can be rebuilt, and knows how far the last run had read.

    first_offsets: start offset of this run, by partition name.
    """

    def __init__(self) -> None:
        self.first_offsets: dict[str, int] = {}
        self.read_to: dict[TopicPartition, int] = {}
        self._behind: set[TopicPartition] = set()

    @property
    def is_reading_again(self) -> bool:
        """True while records are outstanding that the last run had already read."""
        return bool(self._behind)

    def note(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Note that everything before these offsets was processed. The last records may be transaction markers."""
        self._behind = {tp for tp in self._behind if next_offsets.get(tp, 0) < self.read_to[tp]}

    def caught_up(self) -> None:
        self._behind.clear()

    def __call__(self, consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for partition in partitions:
            committed = consumer.committed(partition, metadata=True)
            first = begins[partition] if committed is None else max(committed.offset, begins[partition])
            self.first_offsets[Partition(*partition).name] = first
            consumer.seek(partition, first)
            if committed is None:
                continue
            # A version that wrote no metadata dropped late frames: all existing records count as read by it.
            text = committed.metadata
            self.read_to[partition] = int(text) if text and text.isdecimal() else ends[partition]
            if committed.offset < self.read_to[partition]:
                self._behind.add(partition)


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record with its source. observation: None if it is neither result nor reject. mark: it is a replay mark."""

    source: EventSource
    observation: Observation | None
    mark: bool = False


class RecordReader:
    """Converts records to `ReadRecord` objects, which are kept until they can be processed in time order."""

    def __init__(self, settings: Settings, starts: CommittedStarts) -> None:
        self._rejects = settings.topics.rejects
        self._starts = starts

    def __call__(self, record: Any) -> ReadRecord:
        partition = partition_of(record)
        read_before = record.offset < self._starts.read_to.get(partition, 0)
        source = EventSource(Partition(*partition), record.offset, read_before)
        if replayed_id(record.value, record.headers):
            return ReadRecord(source, None, mark=True)  # the outcome follows as the result of the replayed frame
        return ReadRecord(source, observation_from_record(record, self._rejects))
