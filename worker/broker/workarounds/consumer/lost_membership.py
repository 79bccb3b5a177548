"""The loss of group membership is hidden, a join can be lost, and a static member never leaves its group.

Version: kafka-python 3.0.12
Symptom: A membership that is lost while joining, or by fencing, goes unreported. A lost partition is claimed on. A
    join that ends between two polls is discarded, and one that changed partitions have caused may never end. `close`
    sends no LeaveGroup for a static member, so its partitions wait for the end of its session.
Workaround: As each function says.
Shown by: test_a_loss_during_a_join_is_passed_over_by_itself, test_a_member_claims_what_it_has_lost_by_itself,
    test_a_join_that_ends_between_two_polls_starts_again_by_itself, test_a_static_member_never_leaves_by_itself,
    test_a_join_that_a_poll_has_left_is_forgotten_by_itself
"""

from collections.abc import Generator
from functools import partial
from typing import Any

from kafka import KafkaConsumer
from kafka.structs import MemberState


def patch_lost_membership(consumer: KafkaConsumer) -> None:
    """A workaround: kafka-python 3.0.12 does not report a membership that is lost while it joins again.

    It prepares a join only once, so the retry as a new member keeps partitions (cooperative) that another may have had
    in between. Java prepares again, which calls on_partitions_lost; so do we.
    `tests/worker/pipeline/consume/test_rebalance.py` fails the day it is not needed any more.
    """
    coordinator = consumer._coordinator
    coordinator.need_rejoin = partial(_is_unfinished_or, coordinator, coordinator.need_rejoin)
    coordinator.reset_generation = partial(_reset_and_prepare_again, coordinator, coordinator.reset_generation)
    coordinator.ensure_active_group = partial(_ensure_active_group, coordinator, coordinator.ensure_active_group)


def _reset_and_prepare_again(coordinator: Any, reset: Any, *args: Any, **kwargs: Any) -> None:
    reset(*args, **kwargs)
    coordinator.rejoining = False
    if isinstance(coordinator._join_task, _EndedJoin):  # its result is of the membership that is lost now
        coordinator._join_task = None


def _is_unfinished_or(coordinator: Any, need_rejoin: Any) -> bool:
    """A workaround: kafka-python 3.0.12 may not finish a join that changed partitions have caused.

    A poll that ends during the join asks again whether one is needed. When the topic has meanwhile the partitions that
    the join was for, the answer is no: the member neither finishes the join nor sends heartbeats, until it is expelled.
    """
    return bool(coordinator.rejoining or need_rejoin())


def _ensure_active_group(coordinator: Any, ensure: Any, timeout_ms: float | None = None) -> bool:
    """A workaround: kafka-python 3.0.12 discards a join that ends between two polls, and begins it again.

    A full worker polls without waiting, so its join never took effect, and the whole group rebalanced with each of its
    polls until it had room. The result of a join is not kept if the membership was lost since (see reset_generation).
    """
    join = coordinator._join_task
    if join is not None and join.is_done and (join.failed() or coordinator.state is MemberState.REBALANCING):
        coordinator._join_task = _EndedJoin(join)
    ensured: bool = ensure(timeout_ms=timeout_ms)
    return ensured


class _EndedJoin:
    """The result of a join, which kafka-python takes for one that is still in progress and waits for."""

    is_done = False

    def __init__(self, future: Any) -> None:
        self._future = future
        self.add_callback, self.add_errback = future.add_callback, future.add_errback

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited: Generator[Any, Any, Any] = self._future.__await__()
        return awaited


def clear_claimed_partitions(consumer: KafkaConsumer) -> None:
    """A workaround: a cooperative member of kafka-python 3.0.12 keeps claiming the partitions that it has lost.

    The leader then takes it for their owner, beside the worker that owns them by now.
    """
    for assignor in consumer._coordinator._assignors.values():
        assignor.member_assignment = None


def is_fenced(consumer: KafkaConsumer) -> bool:
    """Another worker has taken this static member's place. kafka-python 3.0.12 only stops its heartbeat then."""
    coordinator = consumer._coordinator
    stable = coordinator.state is MemberState.STABLE
    return coordinator.group_instance_id is not None and stable and not coordinator._heartbeat_enabled


def become_dynamic(consumer: KafkaConsumer) -> bool:
    """A fenced static member joins again without its name, as a new member that has lost its partitions.

    kafka-python 3.0.12 would send the name for as long as the consumer lives, and be refused each time. It also keeps
    the refusal of a commit, and raises it at each poll from then on. False: the name was gone before, and this was the
    answer to a commit that was still under way.
    """
    coordinator = consumer._coordinator
    coordinator._async_commit_fenced = False
    if coordinator.group_instance_id is None:
        return False
    coordinator.config["group_instance_id"] = None
    coordinator.reset_generation()
    return True


def leave_at_close(consumer: KafkaConsumer) -> None:
    """A workaround: close() of kafka-python 3.0.12 sends no LeaveGroup for a static member, and has no option for it.

    Java's KafkaConsumer has one since 4.1 (CloseOptions, KIP-1092).
    """
    consumer._coordinator.is_dynamic_member = lambda: True
