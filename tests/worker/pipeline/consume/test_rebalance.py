"""Losses of membership, and the faults of kafka-python 3.0.12 that are worked around in
worker/pipeline/consume/rebalance.py.

The tests that end in `_by_itself` fail on the day when a work-around is not needed any more.
"""

import threading
import types
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import BaseCoordinator, Generation
from kafka.errors import KafkaTimeoutError, UnknownMemberIdError
from kafka.future import Future
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
from kafka.structs import MemberState, TopicPartition
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.workarounds.lost_membership import (
    become_dynamic,
    is_fenced,
    leave_at_close,
    patch_lost_membership,
)
from stripwatch.worker.contracts.positions import CommitPoint, Partition, Position
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.rebalance import DrainOnRevoke

FRAMES = TopicPartition("frames", 0)


class Coordinator(BaseCoordinator):  # type: ignore[misc]
    """As much of a coordinator as a lost membership touches, in the middle of joining again."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._generation = Generation(7, "member", None)
        self.state = MemberState.REBALANCING
        self.rejoining, self._join_task = True, None
        self.config = {"group_instance_id": "one", "api_version": (4, 0)}

    def reset(self) -> None:
        """What the broker's answer 'unknown member' to a join does."""
        self.reset_generation()

    async def _nothing(self, *args: Any, **options: Any) -> None: ...

    _on_join_prepare_async = _on_join_complete_async = _nothing
    group_protocols = protocol_type = _perform_assignment = _nothing


class Joining(Coordinator):
    """One whose polls wait for nothing. The test ends its joins."""

    def __init__(self) -> None:
        super().__init__()
        self.rejoin_needed, self.is_ready = True, True
        self.joins: list[Future] = []
        self._net = self._manager = self

    def run(self, coroutine: Any, *args: Any) -> Any:
        with pytest.raises(StopIteration) as ended:
            coroutine(*args).send(None)
        return ended.value.value

    def call_soon(self, _: Any) -> Future:
        self.state = MemberState.REBALANCING
        self.joins.append(Future())
        return self.joins[-1]

    async def wait_for(self, future: Future, timeout_ms: float | None) -> Any:
        came: list[Any] = []
        future.add_callback(came.append)
        future.add_errback(came.append)
        if not came:
            raise KafkaTimeoutError
        if isinstance(came[0], Exception):
            raise came[0]
        return came[0]

    async def ensure_coordinator_ready_async(self, timeout_ms: float | None = None) -> bool:
        return self.is_ready

    def _beat(self) -> None: ...

    _maybe_start_heartbeat_loop = _disable_heartbeat = _enable_heartbeat = _beat


def owner() -> CooperativeStickyAssignor:
    """An assignor of a member that was given a partition."""
    assignor = CooperativeStickyAssignor()
    assignor.on_assignment(ConsumerProtocolAssignment(1, [("frames", [0])], b""), 7)
    return assignor


def claimed(assignor: CooperativeStickyAssignor) -> list[Any]:
    return list(assignor.metadata({"frames"}).owned_partitions)


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
    tracker, partition, assignor = OffsetTracker(), Partition(*FRAMES), owner()
    consumer = SimpleNamespace(_coordinator=SimpleNamespace(_assignors={"cooperative-sticky": assignor}))
    topic: Any = SimpleNamespace(is_current=True, is_gone=False)
    listener = DrainOnRevoke(consumer, tracker, Metrics(CollectorRegistry()), topic, drain_s_max=60)
    tracker.assign([partition])
    assert tracker.register(Position("frames", 0, 7))
    finish(listener.on_partitions_lost([FRAMES]))
    assert not listener.assigned
    assert not tracker.register(Position("frames", 0, 8))
    assert claimed(assignor) == []


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


def test_a_member_claims_what_it_has_lost_by_itself() -> None:
    """Java claims what is assigned; here it is what was given last, whatever came of it."""
    assert len(claimed(owner())) == 1


def test_a_loss_during_a_join_prepares_the_join_again() -> None:
    made = Coordinator()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    made.reset()
    assert made._generation.is_lost()
    assert not made.rejoining


def test_a_join_that_a_poll_has_left_is_finished() -> None:
    made = Coordinator()
    made.rejoin_needed = False  # changed partitions have caused the join
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert made.need_rejoin()
    made.rejoining = False
    assert not made.need_rejoin()


def test_a_join_that_a_poll_has_left_is_forgotten_by_itself() -> None:
    made = Coordinator()
    made.rejoin_needed = False
    assert not made.need_rejoin()


def test_a_join_that_ends_between_two_polls_counts() -> None:
    """A worker that is full polls without waiting: it would never be a member, and the group would always rebalance."""
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    assert made.ensure_active_group(timeout_ms=0)
    assert (len(made.joins), made.state) == (1, MemberState.STABLE)


def test_a_join_that_ends_between_two_polls_is_begun_anew_by_itself() -> None:
    made = Joining()
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_a_join_of_a_membership_that_was_lost_meanwhile_is_begun_anew() -> None:
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    made.reset()  # by the answer to a commit
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_the_result_of_a_join_is_dropped_when_the_membership_is_lost_before_it_could_be_used() -> None:
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    made.is_ready = False  # the coordinator is away
    assert not made.ensure_active_group(timeout_ms=0)
    made.reset()
    made.is_ready = True
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_a_join_that_fails_between_two_polls_is_begun_anew() -> None:
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].failure(UnknownMemberIdError())
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_a_loss_during_a_join_is_passed_over_by_itself() -> None:
    made = Coordinator()
    made.reset()
    assert made.rejoining


@pytest.mark.parametrize(
    ("instance_id", "state", "beats", "expected"),
    [
        ("one", MemberState.STABLE, False, True),
        ("one", MemberState.STABLE, True, False),
        ("one", MemberState.REBALANCING, False, False),
        (None, MemberState.STABLE, False, False),
    ],
)
def test_a_static_member_whose_heart_has_stopped_is_fenced(
    instance_id: str | None, state: str, beats: bool, expected: bool
) -> None:
    made = SimpleNamespace(group_instance_id=instance_id, state=state, _heartbeat_enabled=beats)
    assert is_fenced(SimpleNamespace(_coordinator=made)) is expected


def test_a_static_member_is_made_to_leave() -> None:
    made = Coordinator()
    leave_at_close(SimpleNamespace(_coordinator=made))
    assert made.is_dynamic_member()


def test_a_static_member_never_leaves_by_itself() -> None:
    assert not Coordinator().is_dynamic_member()


def test_a_member_that_gives_its_name_up_joins_as_a_new_one() -> None:
    made = Coordinator()
    made._async_commit_fenced = True
    assert become_dynamic(SimpleNamespace(_coordinator=made))
    assert not made._async_commit_fenced
    assert made.group_instance_id is None
    assert made._generation.is_lost()
    assert made.rejoin_needed


def test_a_refused_commit_that_comes_later_is_no_second_loss() -> None:
    made = Coordinator()
    become_dynamic(SimpleNamespace(_coordinator=made))
    made._async_commit_fenced = True
    assert not become_dynamic(SimpleNamespace(_coordinator=made))
    assert not made._async_commit_fenced
