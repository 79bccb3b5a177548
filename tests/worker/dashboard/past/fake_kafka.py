"""A consumer of records in memory, with the methods that the history calls."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from kafka.errors import KafkaError
from kafka.structs import TopicPartition

POLLED = 100


class FakeKafka:
    """Topics in memory. Times must not decrease within a partition.

    deleted: number of the oldest records of a partition that are gone. failing: every request fails. silent: no poll
    returns records.
    """

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[Any]] = {}
        self.deleted: dict[TopicPartition, int] = {}
        self.failing = False
        self.silent = False
        self.polls = 0

    def create(self, *topics: str, partitions: int = 1) -> None:
        for topic in topics:
            for number in range(partitions):
                self.records.setdefault(TopicPartition(topic, number), [])

    def send(
        self,
        topic: str,
        value: bytes | None,
        time_ms: int,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int = 0,
    ) -> int:
        """Append a record. Return its offset."""
        written = self.records.setdefault(TopicPartition(topic, partition), [])
        names = {"topic": topic, "partition": partition, "offset": len(written), "timestamp": time_ms}
        written.append(SimpleNamespace(**names, key=key, value=value, headers=list(headers)))
        return len(written) - 1

    @contextmanager
    def open(self) -> Iterator["FakeConsumer"]:
        yield FakeConsumer(self)


class FakeConsumer:
    def __init__(self, kafka: FakeKafka) -> None:
        self._kafka = kafka
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def topics(self) -> set[str]:
        if self._kafka.failing:
            raise KafkaError("the broker is gone")
        return {tp.topic for tp in self._kafka.records}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {tp.partition for tp in self._kafka.records if tp.topic == topic} or None

    def beginning_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._kafka.deleted.get(tp, 0) for tp in partitions}

    def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: len(self._kafka.records[tp]) for tp in partitions}

    def offsets_for_times(self, times: Mapping[TopicPartition, int]) -> dict[TopicPartition, Any]:
        found: dict[TopicPartition, Any] = {}
        for tp, time_ms in times.items():
            left = self._kafka.records[tp][self._kafka.deleted.get(tp, 0) :]
            later = next((record for record in left if record.timestamp >= time_ms), None)
            found[tp] = later and SimpleNamespace(offset=later.offset, timestamp=later.timestamp)
        return found

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._positions = {tp: self._positions.get(tp, 0) for tp in partitions}
        self._paused &= set(partitions)

    def unsubscribe(self) -> None:
        self._positions, self._paused = {}, set()

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset

    def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]

    def paused(self) -> set[TopicPartition]:
        return set(self._paused)

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused -= set(partitions)

    def poll(self, timeout_ms: int = 0, max_records: int = POLLED) -> dict[TopicPartition, list[Any]]:
        self._kafka.polls += 1
        found = {}
        for tp, position in self._positions.items():
            first = max(position, self._kafka.deleted.get(tp, 0))
            records = self._kafka.records[tp][first : first + min(max_records, POLLED)]
            if records and tp not in self._paused and not self._kafka.silent:
                found[tp] = records
                self._positions[tp] = records[-1].offset + 1
        return found
