"""Where reading of a partition starts, continues, or jumps to."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import LogTruncationError
from kafka.structs import MemberState, OffsetAndMetadata
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.commit_metadata import CommitMetadata, decode_commit_metadata
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.start_positions import StartPositions
from tests.brokers.clients import poll_until, write
from tests.brokers.handle import BrokerHandle


def commit(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})


def start_positions(consumer: KafkaConsumer, topic: str) -> StartPositions:
    identity = TopicIdentity(consumer, topic, FetchByTopicId(consumer))
    return StartPositions(consumer, OffsetTracker(), Metrics(CollectorRegistry()), identity, "earliest")


@pytest.fixture
def consumer(embedded_broker: BrokerHandle) -> Iterator[KafkaConsumer]:
    """A consumer alone in its group; its topic has eight frames."""
    topic = embedded_broker.new_topic()
    write(embedded_broker, topic, 8)
    with embedded_broker.consumer(topic, group_id=embedded_broker.new_name("group")) as consumer:
        poll_until(lambda: bool(consumer.assignment()), consumer)
        yield consumer


@pytest.mark.parametrize("end", [None, -1, 3])
def test_after_a_truncation_reading_continues_at_kafkas_offset_or_at_the_start(
    consumer: KafkaConsumer, end: int | None
) -> None:
    """-1 or None: the topic was recreated, so Kafka has no record of that epoch."""
    (partition,) = consumer.assignment()
    told = {partition: None if end is None else OffsetAndMetadata(end, "", 0)}  # as in LogTruncationError
    positions = start_positions(consumer, partition.topic)
    positions.seek_assigned()
    positions.follow_truncation(told)
    assert consumer.position(partition) == (3 if end == 3 else 0)


def test_a_truncation_does_not_move_a_partition_without_a_start_position(consumer: KafkaConsumer) -> None:
    (partition,) = consumer.assignment()
    commit(consumer, partition, 5)
    positions = start_positions(consumer, partition.topic)
    positions.follow_truncation({partition: OffsetAndMetadata(3, "", 0)})
    positions.seek_assigned()
    assert consumer.position(partition) == 5


def test_forgets_a_truncation_detected_before_the_partition_was_seeked(consumer: KafkaConsumer) -> None:
    """Applied to a recreated topic, it would skip frames of the new topic."""
    (partition,) = consumer.assignment()
    positions = start_positions(consumer, partition.topic)
    consumer._fetcher._cached_log_truncation = LogTruncationError({partition: OffsetAndMetadata(5, "", 0)})
    positions.seek_assigned()
    found: list[Any] = []
    poll_until(lambda: len(found) == 8, consumer, into=found)
    assert found[0].offset == 0


OLD_ID, ID = "0ld", "1d"


def committed_metadata(notes: dict[int, CommitMetadata]) -> dict[int, CommitMetadata | None]:
    """Return the metadata of each partition's next commit, with offset 7 and this metadata committed before."""
    committed = {
        TopicPartition("frames", number): OffsetAndMetadata(7, note.encode(), -1) for number, note in notes.items()
    }
    coordinator = SimpleNamespace(
        _offset_fetch_futures={},
        fetch_committed_offsets=lambda asked, timeout_ms: {p: committed[p] for p in asked if p in committed},
    )
    partitions = [TopicPartition("frames", number) for number in range(5)]
    consumer: Any = SimpleNamespace(
        _coordinator=coordinator,
        _manager=SimpleNamespace(cluster=SimpleNamespace(leader_for_partition=lambda _: 1)),
        group_metadata=lambda: SimpleNamespace(state=MemberState.STABLE),
        assignment=lambda: partitions,
        beginning_offsets=lambda asked, timeout_ms: dict.fromkeys(asked, 0),
        end_offsets=lambda asked, timeout_ms: dict.fromkeys(asked, 100),
        commit=lambda offsets, timeout_ms: None,
        seek=lambda partition, offset: None,
        _fetcher=SimpleNamespace(_manager=SimpleNamespace(run=lambda _: None)),
    )
    identity: Any = SimpleNamespace(id=ID, topic="frames", bind_first=lambda: True, partition_count=lambda: 5)
    tracker = OffsetTracker()
    StartPositions(consumer, tracker, Metrics(CollectorRegistry()), identity, "latest").seek_assigned()
    carried: dict[int, CommitMetadata | None] = {}
    for partition in partitions:
        tracker.register(Position("frames", partition.partition, 200))
        epoch = tracker.claim(Position("frames", partition.partition, 200))
        carried[partition.partition] = decode_commit_metadata(epoch.commit_metadata if epoch else "")
    return carried


@pytest.mark.parametrize("differing", [0, 1, 2])
def test_uses_the_lowest_partition_count_of_all_metadata(differing: int) -> None:
    """Otherwise an added partition would count as an old one, and start_at = "latest" would skip its frames."""
    notes = dict.fromkeys(range(3), CommitMetadata(ID, 5)) | {differing: CommitMetadata(ID, 3)}
    assert set(committed_metadata(notes).values()) == {CommitMetadata(ID, 3)}


def test_ignores_metadata_of_a_deleted_topic() -> None:
    carried = committed_metadata({0: CommitMetadata(ID, 4), 1: CommitMetadata(OLD_ID, 1), 2: CommitMetadata(OLD_ID, 2)})
    assert carried[0] == CommitMetadata(ID, 4)
    assert carried[3] == CommitMetadata(ID, 0)  # recreated while the group was running, as the old metadata shows


def test_uses_metadata_from_before_topic_ids() -> None:
    assert set(committed_metadata(dict.fromkeys(range(5), CommitMetadata("", 3))).values()) == {CommitMetadata(ID, 3)}
