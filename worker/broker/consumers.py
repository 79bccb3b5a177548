"""Kafka consumers, and what they say in this project's own types."""

import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import (
    KafkaError,
    RetriableError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.connection import ClientConfig, client_config, connect, why_lost
from stripwatch.worker.broker.workarounds.batches.limits import FetchLimits
from stripwatch.worker.broker.workarounds.connection.cluster_metadata import cluster_metadata
from stripwatch.worker.broker.workarounds.consumer.bounded_consumer import BoundedConsumer
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame_limits import MESSAGE_BYTES_MAX
from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position, Record

_METADATA_AGE_MS_MAX = 3000  # 5 min, the default, is how late new partitions and a recreated topic would be noticed
FETCH_BYTES_MAX = 16_000_000  # of the worker
_READER_FETCH_BYTES_MAX = 8_000_000
# The embedded broker waits a fetch out even when data comes, for several partitions: at kafka-python's 500 ms a frame
# waited for 136 ms (median), at 20 for about 10. Apache Kafka answers at once.
FETCH_WAIT_MS = 20
_READER_FETCH_WAIT_MS = 50  # of a reader that has time: fewer requests
# Of a reject or a frame, with room for a topic whose limit was raised; and of a compressed batch, unpacked.
_READER_LIMITS = FetchLimits(record_bytes_max=2 * MESSAGE_BYTES_MAX, batch_bytes_max=3 * MESSAGE_BYTES_MAX)
_RECORD_OVERHEAD_BYTES = 65_536  # its key and headers
_ASK_AGAIN_S = 0.2
_HEARTBEAT_MS = 500
_ASSIGNORS = {"eager": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}


def open_group_member(settings: Settings) -> BoundedConsumer:
    """A consumer of the worker's group, subscribed to nothing yet. Raises BrokerUnavailableError."""
    return _open(
        client_config(settings),
        fetch_limits(settings),
        FETCH_BYTES_MAX,
        settings.fetch_wait_ms_max,
        group_id=settings.group_id,
        group_instance_id=(settings.instance_id or None) if settings.static_membership else None,
        partition_assignment_strategy=[_ASSIGNORS[settings.rebalance]()],
        session_timeout_ms=settings.session_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        # The others learn of a member that joins or leaves by the answer to their next heartbeat; until then all wait.
        heartbeat_interval_ms=min(_HEARTBEAT_MS, settings.session_timeout_ms // 3),
        auto_offset_reset="none",  # or kafka-python skips what Kafka has deleted: see start_positions.py
        # exactly-once: also of offsets, so that reading waits for a transaction that is not yet decided (KIP-447).
        isolation_level="read_committed" if settings.delivery == "exactly-once" else "read_uncommitted",
    )


@contextmanager
def open_reader(
    client: ClientConfig,
    group_id: str | None = None,
    fetch_bytes_max: int = _READER_FETCH_BYTES_MAX,
    fetch_wait_ms: int = _READER_FETCH_WAIT_MS,
) -> Iterator[BoundedConsumer]:
    """A consumer that joins no group and is assigned its partitions by hand.

    group_id: whose commits it may read and write. fetch_bytes_max: of one fetch; a larger record still comes, alone.
    Raises SettingsError, or BrokerUnavailableError where no broker answers.
    """
    consumer = _open(
        client,
        _READER_LIMITS,
        fetch_bytes_max,
        fetch_wait_ms,
        group_id=group_id,
        auto_offset_reset="earliest",  # only where what it would read next is gone
        isolation_level="read_committed",
    )
    try:
        yield consumer
    finally:
        with suppress(KafkaError):
            consumer.close()


def _open(
    client: ClientConfig, limits: FetchLimits, fetch_bytes_max: int, fetch_wait_ms: int, **of_this_use: Any
) -> BoundedConsumer:
    return connect(
        BoundedConsumer,
        client,
        limits=limits,
        enable_auto_commit=False,
        allow_auto_create_topics=False,
        metadata_max_age_ms=_METADATA_AGE_MS_MAX,
        # Fetches are memory that no other limit counts; a larger frame still comes, alone (KIP-74).
        fetch_max_bytes=fetch_bytes_max,
        max_partition_fetch_bytes=fetch_bytes_max // 4,
        fetch_max_wait_ms=fetch_wait_ms,
        **of_this_use,
    )


def read_from_beginning(consumer: KafkaConsumer, topics: Collection[str]) -> None:
    """Assign all partitions of these topics. Raises BrokerUnavailableError for a topic that is missing."""
    require_topics(consumer, topics)
    consumer.assign(all_partitions(consumer, topics))
    consumer.seek_to_beginning()


def all_partitions(consumer: KafkaConsumer, topics: Collection[str]) -> list[TopicPartition]:
    return [TopicPartition(t, p) for t in topics for p in sorted(consumer.partitions_for_topic(t) or ())]


def fetch_limits(settings: Settings) -> FetchLimits:
    """What a record batch may unpack to: a quarter of inflight.bytes_max, and never less than one frame."""
    frame_bytes = settings.frames.bytes_max
    return FetchLimits(frame_bytes, max(settings.inflight.bytes_max // 4, frame_bytes + _RECORD_OVERHEAD_BYTES))


def require_topics(consumer: KafkaConsumer, topics: Collection[str], wait_s_max: float = 30) -> None:
    """Raise BrokerUnavailableError when a topic is missing. It asks for all topics: by name, some brokers would create
    them.
    """
    missing = sorted(set(topics) - list_topics(consumer, wait_s_max))
    if missing:
        raise BrokerUnavailableError(
            f"the broker has no topic {', '.join(map(repr, missing))}; 'stripwatch topics' creates them "
            "(or access rules hide them from this worker)"
        )


def list_topics(consumer: KafkaConsumer, wait_s_max: float) -> set[str]:
    """The names of all topics; a connection that drops meanwhile is made again. Raises BrokerUnavailableError."""
    started_s = time.monotonic()
    while True:
        try:
            topics: set[str] = consumer.topics()
            return topics
        except RetriableError as error:
            waited_s = time.monotonic() - started_s
            if waited_s > wait_s_max:
                raise BrokerUnavailableError(
                    f"timed out listing topics after {waited_s:.1f} s: {why_lost(consumer, error)}"
                ) from error
            time.sleep(_ASK_AGAIN_S)
        except KafkaError as error:
            raise BrokerUnavailableError(f"cannot list topics: {type(error).__name__}: {error}") from error


def to_kafka(points: Mapping[Partition, CommitPoint]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {TopicPartition(*p): OffsetAndMetadata(point.offset, point.metadata, -1) for p, point in points.items()}


def from_kafka_offsets(offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> dict[Partition, CommitPoint]:
    return {Partition(*p): CommitPoint(found.offset, found.metadata or "") for p, found in offsets.items()}


def cluster_id(consumer: KafkaConsumer) -> str:
    """The id of the Kafka cluster, empty where the broker names none."""
    return cluster_metadata(consumer).cluster_id or ""


def from_kafka(record: Any) -> Record:
    """A kafka-python ConsumerRecord as ours: here its type ends."""
    return Record(position_of(record), record.timestamp, record.key, record.value, record.headers)


def position_of(record: Any) -> Position:
    return Position(record.topic, record.partition, record.offset)


def partition_of(record: Any) -> TopicPartition:
    """Of a record, or of a position."""
    return TopicPartition(record.topic, record.partition)
