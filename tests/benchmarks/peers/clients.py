"""Kafka consumer and producer for peers that leave both to their user: poll frames, send records, commit."""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord
from tests.benchmarks.peers.inspector import frame_of, record_of
from tests.benchmarks.peers.task import SESSION_MS, Task

FETCH_WAIT_MS = 20  # as for the worker in the benchmark: the embedded broker waits the full time of a fetch
FETCH_BYTES_MAX = 4_000_000
_ACKNOWLEDGED_S_MAX = 30.0


class Client(Protocol):
    def poll(self, frames_max: int, wait_s: float) -> list[Frame]: ...

    def send(self, records: Sequence[OutgoingRecord]) -> None: ...

    def commit(self, frames: Sequence[Frame]) -> None:
        """Wait until all sent records are acknowledged, then commit the offsets after these frames."""


class KafkaPython:
    def __init__(self, task: Task) -> None:
        from kafka import KafkaConsumer, KafkaProducer

        servers = task.bootstrap_servers
        options = {"acks": "all", "enable_idempotence": True, "linger_ms": 2, "batch_size": 65_536}
        self._producer = KafkaProducer(bootstrap_servers=servers, **options)
        self._consumer = KafkaConsumer(
            bootstrap_servers=servers,
            group_id=task.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=SESSION_MS,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES_MAX,
        )
        self._consumer.subscribe([task.topics["frames"]])
        self._consumer.topics()

    def poll(self, frames_max: int, wait_s: float) -> list[Frame]:
        polled = self._consumer.poll(timeout_ms=round(wait_s * 1000), max_records=frames_max)
        return [self._frame(record) for record in itertools.chain.from_iterable(polled.values())]

    def send(self, records: Sequence[OutgoingRecord]) -> None:
        for record in records:
            self._producer.send(record.topic, record.body, key=record.key, headers=record.headers)

    def commit(self, frames: Sequence[Frame]) -> None:
        self._producer.flush(timeout=_ACKNOWLEDGED_S_MAX)
        self._consumer.commit()

    @staticmethod
    def _frame(record: Any) -> Frame:
        place = record.topic, record.partition, record.offset
        return frame_of(record_of(place, record.timestamp, record.key, record.value, record.headers))


class Confluent:
    def __init__(self, task: Task) -> None:
        from confluent_kafka import Consumer, Producer

        servers = {"bootstrap.servers": task.bootstrap_servers}
        self._producer = Producer({**servers, "acks": "all", "enable.idempotence": True, "linger.ms": 2})
        self._consumer = Consumer(
            {
                **servers,
                "group.id": task.group,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": SESSION_MS,
                "fetch.wait.max.ms": FETCH_WAIT_MS,
                "max.partition.fetch.bytes": FETCH_BYTES_MAX,
            }
        )
        self._consumer.subscribe([task.topics["frames"]])

    def poll(self, frames_max: int, wait_s: float) -> list[Frame]:
        """Poll frames. librdkafka waits for the full count or the timeout, so wait for the first frame alone."""
        first = self._consumer.poll(wait_s)
        if first is None:
            return []
        rest = self._consumer.consume(frames_max - 1, 0) if frames_max > 1 else []
        return [self._frame(message) for message in (first, *rest) if message.error() is None]

    def send(self, records: Sequence[OutgoingRecord]) -> None:
        for record in records:
            self._producer.produce(record.topic, record.body, key=record.key, headers=record.headers)
        self._producer.poll(0)

    def commit(self, frames: Sequence[Frame]) -> None:
        from confluent_kafka import TopicPartition

        if self._producer.flush(_ACKNOWLEDGED_S_MAX):
            raise TimeoutError("Kafka did not acknowledge the records")
        ends = {(frame.position.topic, frame.position.partition): frame.position.next_offset for frame in frames}
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=False)

    @staticmethod
    def _frame(message: Any) -> Frame:
        place = message.topic(), message.partition(), message.offset()
        return frame_of(
            record_of(place, message.timestamp()[1], message.key(), message.value(), message.headers() or ())
        )
