"""What becomes of frames in flight when partitions go, and when their topic does."""

import types
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError
from kafka.structs import TopicPartition
from prometheus_client import CollectorRegistry

from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.rebalance import DrainOnRevoke

FRAMES = TopicPartition("frames", 0)


def finish(coroutine: Any) -> None:
    """It ends without waiting for anything."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class FakeTopic:
    """seen: whether it is current, turn by turn; the last one stays. refuses: so many commits."""

    topic = "frames"

    def __init__(self, seen: list[bool], gone: bool = False, hidden: bool = False, refuses: int = 0) -> None:
        self.is_gone = gone
        self.is_hidden = hidden
        self.gone_after_turns = 0
        self.refuses = refuses
        self._seen = seen

    @property
    def is_current(self) -> bool:
        return self._seen[0]

    @property
    def is_doubtful(self) -> bool:
        return not (self.is_current or self.is_gone or self.is_hidden)

    def turn(self) -> None:
        if len(self._seen) > 1:
            self._seen.pop(0)
        self.gone_after_turns -= 1
        self.is_gone |= self.gone_after_turns == 0

    def lags(self, next_offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        return dict.fromkeys(next_offsets, 5)


class Committing:
    """What of a consumer a commit in the listener touches."""

    def __init__(self, topic: FakeTopic) -> None:
        self.commits = 0
        self._topic = topic
        self._coordinator = self._net = self

    async def sleep(self, _: float) -> None:
        await a_turn()

    async def _commit_offsets_sync_async(self, offsets: Any, timeout_ms: float) -> None:
        self.commits += 1
        if self._topic.refuses:
            self._topic.refuses -= 1
            raise KafkaTimeoutError


@types.coroutine
def a_turn() -> Iterator[None]:
    yield


def run(coroutine: Any) -> Iterator[None]:
    yield from coroutine.__await__()


def run_through(coroutine: Any, topic: FakeTopic) -> None:
    """To its end; between two turns the topic changes."""
    for _ in run(coroutine):
        topic.turn()


def test_lost_partitions_are_let_go_at_once_and_claimed_no_more() -> None:
    tracker, partition, assignor = OffsetTracker(), Partition(*FRAMES), SimpleNamespace(member_assignment="frames-0")
    consumer = SimpleNamespace(_coordinator=SimpleNamespace(_assignors={"cooperative-sticky": assignor}))
    topic: Any = SimpleNamespace(is_current=True, is_gone=False)
    listener = DrainOnRevoke(consumer, tracker, Metrics(CollectorRegistry()), topic, drain_s_max=60)
    tracker.assign([partition])
    assert tracker.register(Position("frames", 0, 7))
    finish(listener.on_partitions_lost([FRAMES]))
    assert not listener.assigned
    assert not tracker.register(Position("frames", 0, 8))
    assert assignor.member_assignment is None


@pytest.mark.parametrize(("gone", "deleted"), [(True, 5), (False, 0)])
def test_frames_count_as_deleted_only_where_their_topic_is_known_to_be_gone(gone: bool, deleted: int) -> None:
    """Access rules that hide a topic look the same to the client, and its frames are still there."""
    tracker, partition, metrics = OffsetTracker(), Partition(*FRAMES), Metrics(CollectorRegistry())
    topic: Any = FakeTopic([False], gone=gone, hidden=not gone)
    listener = DrainOnRevoke(Committing(topic), tracker, metrics, topic, drain_s_max=60)
    tracker.assign([partition], start=CommitPoint(0))
    run_through(listener.on_partitions_revoked([FRAMES]), topic)
    assert metrics.registry.get_sample_value("stripwatch_frames_deleted_total") == deleted


@pytest.mark.parametrize("commits", [True, False])
def test_a_topic_that_goes_while_it_is_committed_to_counts_as_deleted(commits: bool) -> None:
    """Kafka refuses the commit; kafka-python tries until the end of the drain. And frames in flight are left."""
    tracker, partition, metrics = OffsetTracker(), Partition(*FRAMES), Metrics(CollectorRegistry())
    topic: Any = FakeTopic([True, True, False, True, False] if commits else [False], refuses=99)
    consumer = Committing(topic)
    listener = DrainOnRevoke(consumer, tracker, metrics, topic, drain_s_max=60 if commits else -60, commits=commits)
    tracker.assign([partition], start=CommitPoint(0))
    assert tracker.register(Position("frames", 0, 7))
    if commits:
        tracker.complete(Position("frames", 0, 7))
    topic.gone_after_turns = 4
    run_through(listener.on_partitions_revoked([FRAMES]), topic)
    assert consumer.commits == (3 if commits else 0)
    count = metrics.registry.get_sample_value
    assert count("stripwatch_frames_deleted_total") == (5 if commits else 6)
    assert count("stripwatch_commit_failures_total") == 0
    assert tracker.partitions() == []


def test_a_topic_that_a_broker_does_not_know_for_a_moment_is_committed_to() -> None:
    tracker, partition, metrics = OffsetTracker(), Partition(*FRAMES), Metrics(CollectorRegistry())
    topic: Any = FakeTopic([False, False, True], refuses=0)
    consumer = Committing(topic)
    listener = DrainOnRevoke(consumer, tracker, metrics, topic, drain_s_max=60)
    tracker.assign([partition], start=CommitPoint(0))
    run_through(listener.on_partitions_revoked([FRAMES]), topic)
    assert consumer.commits == 1
    assert metrics.registry.get_sample_value("stripwatch_frames_deleted_total") == 0
