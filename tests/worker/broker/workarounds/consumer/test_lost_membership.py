"""Losses of membership that kafka-python hides. The tests that end in `_by_itself` fail when the workaround can go."""

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


def test_a_join_that_ends_between_two_polls_starts_again_by_itself() -> None:
    made = Joining()
    assert not made.ensure_active_group(timeout_ms=0)
    made.joins[0].success(b"assignment")
    assert not made.ensure_active_group(timeout_ms=0)
    assert len(made.joins) == 2


def test_a_join_of_a_membership_that_was_lost_meanwhile_starts_again() -> None:
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


def test_a_join_that_fails_between_two_polls_starts_again() -> None:
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


def test_a_lost_partition_is_claimed_no_more() -> None:
    assignor = owner()
    clear_claimed_partitions(SimpleNamespace(_coordinator=SimpleNamespace(_assignors={"cooperative-sticky": assignor})))
    assert claimed(assignor) == []
