"""Losses of membership that kafka-python hides.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.base import BaseCoordinator, Generation
from kafka.errors import KafkaTimeoutError, UnknownMemberIdError
from kafka.future import Future
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
from kafka.structs import MemberState

from stripwatch.worker.broker.workarounds.consumer.lost_membership import (
    become_dynamic,
    clear_claimed_partitions,
    is_fenced,
    leave_at_close,
    patch_lost_membership,
)


class Coordinator(BaseCoordinator):  # type: ignore[misc]
    """Coordinator that is joining again, reduced to the state that a lost membership affects."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._generation = Generation(7, "member", None)
        self.state = MemberState.REBALANCING
        self.rejoining, self._join_task = True, None
        self.config = {"group_instance_id": "one", "api_version": (4, 0)}

    def reset(self) -> None:
        """Do what kafka-python does when the broker answers a join with 'unknown member'."""
        self.reset_generation()

    async def _nothing(self, *args: Any, **options: Any) -> None: ...

    _on_join_prepare_async = _on_join_complete_async = _nothing
    group_protocols = protocol_type = _perform_assignment = _nothing


class Joining(Coordinator):
    """Coordinator whose polls do not wait. The test completes its joins."""

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
    """Return the assignor of a member that was assigned a partition."""
    assignor = CooperativeStickyAssignor()
    assignor.on_assignment(ConsumerProtocolAssignment(1, [("frames", [0])], b""), 7)
    return assignor


def claimed(assignor: CooperativeStickyAssignor) -> list[Any]:
    return list(assignor.metadata({"frames"}).owned_partitions)


def test_kafka_python_claims_lost_partitions() -> None:
    """Java claims the assigned partitions. kafka-python claims the last assignment, even if it was lost."""
    assert len(claimed(owner())) == 1


def test_prepares_the_join_again_after_a_loss() -> None:
    made = Coordinator()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    made.reset()
    assert made._generation.is_lost()
    assert not made.rejoining


def test_finishes_a_join_after_the_end_of_a_poll() -> None:
    made = Coordinator()
    made.rejoin_needed = False  # changed partitions caused the join
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert made.need_rejoin()
    made.rejoining = False
    assert not made.need_rejoin()


def test_kafka_python_forgets_a_join_after_the_end_of_a_poll() -> None:
    made = Coordinator()
    made.rejoin_needed = False
    assert not made.need_rejoin()


def test_keeps_a_join_that_ends_between_two_polls() -> None:
    """A worker at its in-flight limit polls without waiting. It would never join, and the group always rebalance."""
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    assert made.ensure_active_group(timeout_ms=0)
    assert (len(made.joins), made.state) == (1, MemberState.STABLE)


def test_kafka_python_repeats_a_join_that_ends_between_two_polls() -> None:
    made = Joining()
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_repeats_a_join_whose_membership_was_lost_in_between() -> None:
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    made.reset()  # as after the answer to a commit
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_drops_the_result_of_a_join_if_the_membership_is_lost_before_it_is_used() -> None:
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    made.is_ready = False  # the coordinator is not available
    assert not made.ensure_active_group(timeout_ms=0)
    made.reset()
    made.is_ready = True
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_repeats_a_join_that_fails_between_two_polls() -> None:
    made = Joining()
    patch_lost_membership(SimpleNamespace(_coordinator=made))
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].failure(UnknownMemberIdError())
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_kafka_python_hides_a_loss_during_a_join() -> None:
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
def test_a_static_member_without_heartbeat_is_fenced(
    instance_id: str | None, state: str, beats: bool, expected: bool
) -> None:
    made = SimpleNamespace(group_instance_id=instance_id, state=state, _heartbeat_enabled=beats)
    assert is_fenced(SimpleNamespace(_coordinator=made)) is expected


def test_a_static_member_leaves_at_close() -> None:
    made = Coordinator()
    leave_at_close(SimpleNamespace(_coordinator=made))
    assert made.is_dynamic_member()


def test_kafka_python_never_removes_a_static_member() -> None:
    assert not Coordinator().is_dynamic_member()


def test_a_member_that_becomes_dynamic_joins_as_a_new_one() -> None:
    made = Coordinator()
    made._async_commit_fenced = True
    assert become_dynamic(SimpleNamespace(_coordinator=made))
    assert not made._async_commit_fenced
    assert made.group_instance_id is None
    assert made._generation.is_lost()
    assert made.rejoin_needed


def test_a_refused_commit_that_arrives_later_is_not_a_second_loss() -> None:
    made = Coordinator()
    become_dynamic(SimpleNamespace(_coordinator=made))
    made._async_commit_fenced = True
    assert not become_dynamic(SimpleNamespace(_coordinator=made))
    assert not made._async_commit_fenced


def test_stops_claiming_lost_partitions() -> None:
    assignor = owner()
    clear_claimed_partitions(SimpleNamespace(_coordinator=SimpleNamespace(_assignors={"cooperative-sticky": assignor})))
    assert claimed(assignor) == []
