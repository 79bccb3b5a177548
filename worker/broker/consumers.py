"""Kafka consumers, and what they say in this project's own types."""

import time
from collections.abc import Collection, Mapping

from kafka import KafkaConsumer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import (
    KafkaError,
    RetriableError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.connection import RECONNECT_MS_MAX, connect, why_lost
from stripwatch.worker.broker.workarounds.batches.limits import BatchLimits
from stripwatch.worker.broker.workarounds.bounded_consumer import BoundedConsumer
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position, Record

METADATA_AGE_MS_MAX = 3000  # 5 min, the default, is how late new partitions and a recreated topic would be noticed
FETCH_BYTES_MAX = 16_000_000
_RECORD_OVERHEAD_BYTES = 65_536  # its key and headers
_ASK_AGAIN_S = 0.2
_HEARTBEAT_MS = 500
_ASSIGNORS = {"eager": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}


def open_consumer(settings: Settings) -> BoundedConsumer:
    """A consumer of the worker's group, subscribed to nothing yet. Raises BrokerUnavailableError."""
    return connect(
        BoundedConsumer,
        settings.bootstrap_servers,
        settings.broker.wait_s_max,
        limits=batch_limits(settings),
        security=settings.security,
        group_id=settings.group_id,
        client_id="stripwatch",
        group_instance_id=(settings.instance_id or None) if settings.static_membership else None,
        partition_assignment_strategy=[_ASSIGNORS[settings.rebalance]()],
        session_timeout_ms=settings.session_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        # The others learn of a member that joins or leaves by the answer to their next heartbeat; until then all wait.
        heartbeat_interval_ms=min(_HEARTBEAT_MS, settings.session_timeout_ms // 3),
        enable_auto_commit=False,
        auto_offset_reset="none",  # or kafka-python skips what Kafka has deleted: see start_positions.py
        # exactly-once: also of offsets, so that reading waits for a transaction that is not yet decided (KIP-447).
        isolation_level="read_committed" if settings.delivery == "exactly-once" else "read_uncommitted",
        reconnect_backoff_max_ms=RECONNECT_MS_MAX,
        metadata_max_age_ms=METADATA_AGE_MS_MAX,
        allow_auto_create_topics=False,
        # Fetches are memory that the in-flight limit does not count; a larger frame still comes, alone (KIP-74).
        fetch_max_bytes=FETCH_BYTES_MAX,
        fetch_max_wait_ms=settings.fetch_wait_ms_max,
        max_partition_fetch_bytes=FETCH_BYTES_MAX // 4,
    )


def batch_limits(settings: Settings) -> BatchLimits:
    """What a record batch may unpack to: a quarter of inflight.bytes_max, and never less than one frame."""
    frame_bytes = settings.frames.bytes_max
    return BatchLimits(frame_bytes, max(settings.inflight.bytes_max // 4, frame_bytes + _RECORD_OVERHEAD_BYTES))


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
    return {Partition(*p): CommitPoint(found.offset, found.metadata) for p, found in offsets.items()}


def cluster_id(consumer: KafkaConsumer) -> str:
    """The id of the Kafka cluster, empty where the broker names none."""
    return consumer._cluster.cluster_id or ""  # the consumer offers no public way (3.0.12)


def from_kafka(record: object) -> Record:
    """A kafka-python ConsumerRecord as ours: here its type ends."""
    position = Position(record.topic, record.partition, record.offset)  # type: ignore[attr-defined]
    return Record(position, record.timestamp, record.key, record.value, record.headers)  # type: ignore[attr-defined]
