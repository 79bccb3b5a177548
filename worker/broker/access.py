"""Questions about what a client may do in Kafka. Nothing is written, and no group is joined."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka.admin import ACLOperation
from kafka.errors import (
    AuthorizationError,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    InvalidProducerIdMappingError,
    KafkaError,
    NoError,
    NotCoordinatorError,
)

from stripwatch.worker.broker.topic_limits import limits_of
from stripwatch.worker.broker.workarounds.connection.access_probes import group_error, transaction_error

DESCRIBE, READ, WRITE = ACLOperation.DESCRIBE.name, ACLOperation.READ.name, ACLOperation.WRITE.name
T = TypeVar("T")
_COORDINATOR_S_MAX, _ASK_AGAIN_S = 5.0, 0.2
_NO_COORDINATOR = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)


@dataclass(frozen=True, slots=True)
class TopicAccess:
    """What a broker reports about a topic.

    Attributes:
        partitions: Number of partitions.
        leaderless: Partitions without a leader, which can be neither read nor written.
        allowed: ACL operations that this client may perform; None if the broker does not report them.
        bytes_max: Limit of the size of a record; None if it is unknown.
    """

    partitions: int
    leaderless: tuple[int, ...]
    allowed: frozenset[str] | None
    bytes_max: int | None

    def denies(self, operation: str) -> bool:
        """Return whether the broker reports that this client may not perform an ACL operation."""
        return self.allowed is not None and operation not in self.allowed


@dataclass(frozen=True, slots=True)
class GroupAccess:
    """What a broker reports about a consumer group.

    Attributes:
        problem: Name of the error if this client may not use the group, else None.
        protocol: Name of the assignor of the running members; empty without members.
        members: `group.instance.id` of each running member; None for a dynamic member.
        has_coordinator: A broker manages the group. A new cluster has no coordinator until the first group joins.
    """

    problem: str | None = None
    protocol: str = ""
    members: tuple[str | None, ...] = ()
    has_coordinator: bool = True


def topic_access(admin: Any, topics: Collection[str]) -> dict[str, TopicAccess]:
    """Return what the broker reports about these topics, which must exist. Raises KafkaError."""
    described = {each["name"]: each for each in admin.describe_topics(sorted(topics))}
    limits = limits_of(admin, [name for name, each in described.items() if not each["error_code"]])
    found = {}
    for name, each in described.items():
        if not each["error_code"]:
            leaderless = [part["partition_index"] for part in each["partitions"] if part["leader_id"] < 0]
            partitions = len(each["partitions"])
            found[name] = TopicAccess(partitions, tuple(sorted(leaderless)), _operations(each), limits.get(name))
    return found


def group_access(admin: Any, group_id: str) -> GroupAccess:
    """Return what the broker reports about a consumer group, which need not exist. Raises KafkaError."""
    try:
        error = _with_coordinator(lambda: group_error(admin, group_id))
        described = _with_coordinator(lambda: admin.describe_groups([group_id])[group_id])
    except AuthorizationError as denied:
        return GroupAccess(type(denied).__name__)
    if error is not None and issubclass(error, AuthorizationError):
        return GroupAccess(error.__name__)
    if described is None:
        return GroupAccess(has_coordinator=False)
    members = tuple(member.get("group_instance_id") for member in described.get("members", ()))
    return GroupAccess(None, described.get("protocol_data") or "", members)


def transaction_problem(admin: Any, transactional_id: str) -> str | None:
    """Return why this client cannot use a transactional id, or None. A producer that uses it is not disturbed.

    Raises CoordinatorNotAvailableError if no broker manages transactions yet, so that nothing is known.
    """
    try:
        error = _with_coordinator(lambda: transaction_error(admin, transactional_id))
    except AuthorizationError as denied:
        return type(denied).__name__
    if error is None:
        raise CoordinatorNotAvailableError(f"no transaction coordinator answered within {_COORDINATOR_S_MAX:g} s")
    return None if error in (InvalidProducerIdMappingError, NoError) else error.__name__


def _with_coordinator(ask: Callable[[], T]) -> T | None:
    """Ask the coordinator of a group or transactional id; None if it has none yet.

    A new cluster creates the topics of its coordinators on demand, which takes a moment.
    """
    deadline_s = time.monotonic() + _COORDINATOR_S_MAX
    while True:
        try:
            answer = ask()
        except _NO_COORDINATOR:
            answer = None
        if answer is not None and answer not in _NO_COORDINATOR:
            return answer
        if time.monotonic() > deadline_s:
            return None
        time.sleep(_ASK_AGAIN_S)


def why(error: KafkaError) -> str:
    """Describe an error of the broker in a few words."""
    return f"{type(error).__name__}: {error}"


def _operations(described: dict[str, Any]) -> frozenset[str] | None:
    """Return the allowed operations. A broker without authorizer, or an old one, reports none."""
    allowed = described.get("authorized_operations")
    return frozenset(allowed) if allowed else None
