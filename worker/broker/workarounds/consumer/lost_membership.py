"""The loss of group membership is hidden, a join can be lost, and a static member never leaves its group.

Version: kafka-python 3.0.12
Symptom: A membership that is lost during a join, or by fencing, is not reported. A lost partition is still claimed as
    owned. A join that ends between two polls is discarded, and one caused by changed partitions may never end. `close`
    sends no LeaveGroup for a static member, so its partitions are not reassigned until its session times out.
Workaround: See the docstring of each function.
Shown by: test_kafka_python_hides_a_loss_during_a_join, test_kafka_python_claims_lost_partitions,
    test_kafka_python_repeats_a_join_that_ends_between_two_polls, test_kafka_python_never_removes_a_static_member,
    test_kafka_python_forgets_a_join_after_the_end_of_a_poll
"""

from collections.abc import Generator
from functools import partial
from typing import Any

from kafka import KafkaConsumer
from kafka.structs import MemberState


def patch_lost_membership(consumer: KafkaConsumer) -> None:
    """Make a consumer report a membership that is lost during a join, and keep joins across polls.

    kafka-python prepares a join only once, so a cooperative member that retries as a new member keeps partitions that
    another member may have owned in between. Java prepares again, which calls on_partitions_lost, and so does this.
    """
    coordinator = consumer._coordinator
    coordinator.need_rejoin = partial(_is_unfinished_or, coordinator, coordinator.need_rejoin)
    coordinator.reset_generation = partial(_reset_and_prepare_again, coordinator, coordinator.reset_generation)
    coordinator.ensure_active_group = partial(_ensure_active_group, coordinator, coordinator.ensure_active_group)


def _reset_and_prepare_again(coordinator: Any, reset: Any, *args: Any, **kwargs: Any) -> None:
    reset(*args, **kwargs)
    coordinator.rejoining = False
    if isinstance(coordinator._join_task, _EndedJoin):  # its result belongs to the membership that is now lost
        coordinator._join_task = None


def _is_unfinished_or(coordinator: Any, need_rejoin: Any) -> bool:
    """Return whether a join is needed or unfinished, so that a join caused by changed partitions is finished.

    kafka-python checks again after each poll whether a join is needed. If the consumer already knows the changed
    partitions by then, it is not: the member neither finishes the join nor sends heartbeats until it is expelled.
    """
    return bool(coordinator.rejoining or need_rejoin())


def _ensure_active_group(coordinator: Any, ensure: Any, timeout_ms: float | None = None) -> bool:
    """Keep the result of a join that ends between two polls, which kafka-python discards and repeats.

    A worker at its in-flight limit polls without waiting, so its join never took effect, and each of its polls made the
    whole group rebalance. The result is not kept if the membership was lost since then (see reset_generation).
    """
    join = coordinator._join_task
    if join is not None and join.is_done and (join.failed() or coordinator.state is MemberState.REBALANCING):
        coordinator._join_task = _EndedJoin(join)
    ensured: bool = ensure(timeout_ms=timeout_ms)
    return ensured


class _EndedJoin:
    """Result of a finished join that kafka-python treats as a join in progress and waits for."""

    is_done = False

    def __init__(self, future: Any) -> None:
        self._future = future
        self.add_callback, self.add_errback = future.add_callback, future.add_errback

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited: Generator[Any, Any, Any] = self._future.__await__()
        return awaited


def clear_claimed_partitions(consumer: KafkaConsumer) -> None:
    """Make a cooperative member stop claiming partitions that it has lost.

    Otherwise the leader treats it as their owner, in addition to the worker that owns them now.
    """
    for assignor in consumer._coordinator._assignors.values():
        assignor.member_assignment = None


def is_fenced(consumer: KafkaConsumer) -> bool:
    """Return whether another worker has replaced this static member. kafka-python then only stops its heartbeat."""
    coordinator = consumer._coordinator
    stable = coordinator.state is MemberState.STABLE
    return coordinator.group_instance_id is not None and stable and not coordinator._heartbeat_enabled


def become_dynamic(consumer: KafkaConsumer) -> bool:
    """Make a fenced static member join again without its name, as a new member that has lost its partitions.

    kafka-python would keep sending the name and be refused each time. It also keeps a refused commit and raises it at
    every later poll. Returns False if the member is already dynamic, and this was the answer to an earlier commit.
    """
    coordinator = consumer._coordinator
    coordinator._async_commit_fenced = False
    if coordinator.group_instance_id is None:
        return False
    coordinator.config["group_instance_id"] = None
    coordinator.reset_generation()
    return True


def leave_at_close(consumer: KafkaConsumer) -> None:
    """Make `close` send LeaveGroup for a static member, for which kafka-python has no option.

    Java's KafkaConsumer has one since 4.1 (CloseOptions, KIP-1092).
    """
    consumer._coordinator.is_dynamic_member = lambda: True
