"""A rebalance or a deleted topic releases the partitions of the worker, and counts the frames that are lost."""

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
    """Run a coroutine that waits for nothing."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class FakeTopic:
    """A topic whose state changes: `seen` lists whether it is current at each check, and the last value stays. refuses:
    the number of commits that are refused.
    """

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
    """The parts of a consumer that a commit in the listener uses."""

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
    """Run a coroutine to its end; the topic changes between two steps."""
    for _ in run(coroutine):
        topic.turn()


def test_lost_partitions_are_released_at_once_and_not_claimed() -> None:
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
def test_frames_count_as_deleted_only_if_their_topic_is_known_to_be_gone(gone: bool, deleted: int) -> None:
    """A topic hidden by access rules looks the same to the client, and its frames still exist."""
    tracker, partition, metrics = OffsetTracker(), Partition(*FRAMES), Metrics(CollectorRegistry())
    topic: Any = FakeTopic([False], gone=gone, hidden=not gone)
    listener = DrainOnRevoke(Committing(topic), tracker, metrics, topic, drain_s_max=60)
    tracker.assign([partition], start=CommitPoint(0))
    run_through(listener.on_partitions_revoked([FRAMES]), topic)
    assert metrics.registry.get_sample_value("stripwatch_frames_deleted_total") == deleted


@pytest.mark.parametrize("commits", [True, False])
def test_frames_count_as_deleted_if_their_topic_is_deleted_during_the_commit(commits: bool) -> None:
    """Kafka refuses the commit, and kafka-python retries until the end of the drain. Frames in flight remain."""
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


def test_commits_to_a_topic_that_one_broker_briefly_does_not_know() -> None:
    tracker, partition, metrics = OffsetTracker(), Partition(*FRAMES), Metrics(CollectorRegistry())
    topic: Any = FakeTopic([False, False, True], refuses=0)
    consumer = Committing(topic)
    listener = DrainOnRevoke(consumer, tracker, metrics, topic, drain_s_max=60)
    tracker.assign([partition], start=CommitPoint(0))
    run_through(listener.on_partitions_revoked([FRAMES]), topic)
    assert consumer.commits == 1
    assert metrics.registry.get_sample_value("stripwatch_frames_deleted_total") == 0
