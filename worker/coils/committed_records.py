"""Where `stripwatch coils` continues after a restart, and what it keeps of a record until its turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.broker.consumers import partition_of
from stripwatch.worker.coils.coil_part import EventSource
from stripwatch.worker.coils.observations import Observation, observation_from_record
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.contracts.replay_mark import replayed_id


class CommittedStarts:
    """Starts reading where the last run would have its coils again, and knows how far that run had read.

    first_offsets: where this run begins, by the name of the partition.
    """

    def __init__(self) -> None:
        self.first_offsets: dict[str, int] = {}
        self.read_to: dict[TopicPartition, int] = {}
        self._behind: set[TopicPartition] = set()

    @property
    def is_reading_again(self) -> bool:
        """There are records to come that the last run had read."""
        return bool(self._behind)

    def note(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """All before these offsets has had its turn; the last records may be markers of transactions."""
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
            # A version that wrote no metadata dropped what was late: all records that are there count as read by it.
            text = committed.metadata
            self.read_to[partition] = int(text) if text and text.isdecimal() else ends[partition]
            if committed.offset < self.read_to[partition]:
                self._behind.add(partition)


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """What a record is, and where. observation: None where it is neither result nor reject; mark: of a replay."""

    source: EventSource
    observation: Observation | None
    mark: bool = False


class RecordReader:
    """Makes of a record what is kept of it until its turn."""

    def __init__(self, settings: Settings, starts: CommittedStarts) -> None:
        self._rejects = settings.topics.rejects
        self._starts = starts

    def __call__(self, record: Any) -> ReadRecord:
        partition = partition_of(record)
        read_before = record.offset < self._starts.read_to.get(partition, 0)
        source = EventSource(Partition(*partition), record.offset, read_before)
        if replayed_id(record.value, record.headers):
            return ReadRecord(source, None, mark=True)  # the frame's own result will say what became of it
        return ReadRecord(source, observation_from_record(record, self._rejects))
