"""Create Kafka consumers, and convert records and offsets of kafka-python to the project's own types."""

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
from stripwatch.worker.contracts.topics import how_to_create

_METADATA_AGE_MS_MAX = 3000  # with the default, new partitions and recreated topics are noticed after up to 5 minutes
FETCH_BYTES_MAX = 16_000_000  # of the worker
_READER_FETCH_BYTES_MAX = 8_000_000
# With several partitions, the embedded broker holds a fetch for the whole time even if data arrives: with the default
# of 500 ms a frame waited for 136 ms (median), with 20 ms for about 10 ms. Apache Kafka responds immediately.
FETCH_WAIT_MS = 20
_READER_FETCH_WAIT_MS = 50  # for readers without tight latency: fewer requests
# For rejects and frames, with room for a topic whose limit was raised, and for an unpacked compressed batch.
_READER_LIMITS = FetchLimits(record_bytes_max=2 * MESSAGE_BYTES_MAX, batch_bytes_max=3 * MESSAGE_BYTES_MAX)
_RECORD_OVERHEAD_BYTES = 65_536  # its key and headers
_ASK_AGAIN_S = 0.2
_HEARTBEAT_MS = 500
_ASSIGNORS = {"eager": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}


def open_group_member(settings: Settings) -> BoundedConsumer:
    """Create a consumer in the worker's group, without a subscription. Raises BrokerUnavailableError."""
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
        # Members learn about a rebalance from the response to their next heartbeat, and the whole group waits for them.
        heartbeat_interval_ms=min(_HEARTBEAT_MS, settings.session_timeout_ms // 3),
        auto_offset_reset="none",  # otherwise kafka-python silently skips deleted records: see start_positions.py
        isolation_level=frames_isolation(settings),
    )


def frames_isolation(settings: Settings) -> str:
    """Return the isolation level at which a worker reads frames.

    With exactly-once it also applies to offsets, so that reading waits for pending transactions (KIP-447).
    """
    return "read_committed" if settings.delivery == "exactly-once" else "read_uncommitted"


@contextmanager
def open_reader(
    client: ClientConfig,
    group_id: str | None = None,
    fetch_bytes_max: int = _READER_FETCH_BYTES_MAX,
    fetch_wait_ms: int = _READER_FETCH_WAIT_MS,
    isolation_level: str = "read_committed",
) -> Iterator[BoundedConsumer]:
    """Open a consumer that does not join a group and whose partitions are assigned manually.

    group_id: group whose committed offsets it may read and write. fetch_bytes_max: size of a fetch; a larger record is
    still delivered, alone. Raises SettingsError, or BrokerUnavailableError if no broker responds.
    """
    consumer = _open(
        client,
        _READER_LIMITS,
        fetch_bytes_max,
        fetch_wait_ms,
        group_id=group_id,
        auto_offset_reset="earliest",  # only if the next records were deleted
        isolation_level=isolation_level,
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
        # No other limit counts the memory of fetches. A larger frame is still delivered, alone (KIP-74).
        fetch_max_bytes=fetch_bytes_max,
        max_partition_fetch_bytes=fetch_bytes_max // 4,
        fetch_max_wait_ms=fetch_wait_ms,
        **of_this_use,
    )


def read_from_beginning(consumer: KafkaConsumer, topics: Collection[str]) -> None:
    """Assign all partitions of these topics and seek to their beginning.

    Raises BrokerUnavailableError for a missing topic.
    """
    require_topics(consumer, topics)
    consumer.assign(all_partitions(consumer, topics))
    consumer.seek_to_beginning()


def all_partitions(consumer: KafkaConsumer, topics: Collection[str]) -> list[TopicPartition]:
    return [TopicPartition(t, p) for t in topics for p in sorted(consumer.partitions_for_topic(t) or ())]


def fetch_limits(settings: Settings) -> FetchLimits:
    """Return the fetch limits of a worker.

    A record batch may unpack to a quarter of inflight.bytes_max, but at least to one frame.
    """
    frame_bytes = settings.frames.bytes_max
    return FetchLimits(frame_bytes, max(settings.inflight.bytes_max // 4, frame_bytes + _RECORD_OVERHEAD_BYTES))


def require_topics(consumer: KafkaConsumer, topics: Collection[str], wait_s_max: float = 30) -> set[str]:
    """Return the names of all topics. Raises BrokerUnavailableError if one of `topics` is missing.

    All topics are requested, because some brokers create a topic that is requested by name.
    """
    existing = list_topics(consumer, wait_s_max)
    missing = sorted(set(topics) - existing)
    if missing:
        raise BrokerUnavailableError(
            f"the broker has no topic {', '.join(map(repr, missing))}, or ACLs hide it from this client; "
            f"{how_to_create(missing)}"
        )
    return existing


def list_topics(consumer: KafkaConsumer, wait_s_max: float) -> set[str]:
    """Return the names of all topics, retrying after connection errors. Raises BrokerUnavailableError."""
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
    """Return the id of the Kafka cluster; empty if the broker does not report one."""
    return cluster_metadata(consumer).cluster_id or ""


def from_kafka(record: Any) -> Record:
    """Convert a ConsumerRecord of kafka-python to a Record."""
    return Record(position_of(record), record.timestamp, record.key, record.value, record.headers)


def position_of(record: Any) -> Position:
    return Position(record.topic, record.partition, record.offset)


def partition_of(record: Any) -> TopicPartition:
    """Return the partition of a record or a position."""
    return TopicPartition(record.topic, record.partition)
