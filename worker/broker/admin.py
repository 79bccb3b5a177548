"""Administration of Kafka topics for the commands. Exceptions of kafka-python are converted here."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ACLOperation, ConfigResource, ConfigResourceType
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from stripwatch.worker.broker.connection import BOOTSTRAP_S_MAX, ClientConfig, connect, why_lost
from stripwatch.worker.broker.workarounds.connection.acl_operations import ignore_unknown_operations
from stripwatch.worker.common.errors import BrokerUnavailableError, SettingsError
from stripwatch.worker.contracts import topics as names
from stripwatch.worker.contracts.frame_limits import MESSAGE_BYTES_MAX

_DESCRIBE, _WRITE = ACLOperation.DESCRIBE.name, ACLOperation.WRITE.name


@contextmanager
def open_admin(client: ClientConfig) -> Iterator[Any]:
    """Open a KafkaAdminClient, and close it at the end. Raises SettingsError or BrokerUnavailableError."""
    ignore_unknown_operations()
    admin = connect(KafkaAdminClient, client, request_timeout_ms=round(BOOTSTRAP_S_MAX * 1000))
    try:
        with _connected(admin, client.bootstrap_servers):
            yield admin
    finally:
        admin.close()


def require_topic(client: ClientConfig, topic: str) -> None:
    """Raise SettingsError if the topic does not exist: a producer would create it silently with the wrong limits."""
    bootstrap_servers = client.bootstrap_servers
    with open_admin(client) as admin:
        (described,) = admin.describe_topics([topic])
    error = for_code(described["error_code"])
    if error is UnknownTopicOrPartitionError:
        raise SettingsError(f"topic {topic} does not exist at {bootstrap_servers}; {names.how_to_create([topic])}")
    if described["error_code"]:
        raise SettingsError(f"topic {topic} at {bootstrap_servers} cannot be used: {error.__name__}")


def require_write_access(client: ClientConfig, topics: Collection[str]) -> None:
    """Raise BrokerUnavailableError for topics to which Kafka's ACLs do not allow this client to write.

    A broker that does not report the client's permissions passes; it then rejects the record itself.
    """
    with open_admin(client) as admin:
        described = admin.describe_topics(sorted(set(topics)))
    forbidden = [
        topic["name"]
        for topic in described
        if _DESCRIBE in (may := topic.get("authorized_operations") or ()) and _WRITE not in may
    ]
    if forbidden:
        raise BrokerUnavailableError(
            f"Kafka's ACLs do not allow this client to write to {', '.join(forbidden)}; grant it the ACL operation "
            "Write on each of these topics. Nothing was sent"
        )


def topic_settings(admin: Any, topics: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the settings of each topic, empty for a topic that is missing or hidden by ACLs. Raises KafkaError.

    All settings are requested, because the embedded broker drops the connection if it gets a list of names.
    """
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic) for topic in topics]
    described = admin.describe_configs(resources, config_filter="all").get("topic", {})
    return {topic: {name: entry["value"] for name, entry in described.get(topic, {}).items()} for topic in topics}


@contextmanager
def _connected(admin: Any, bootstrap_servers: str) -> Iterator[None]:
    try:
        yield
    except (KafkaTimeoutError, KafkaConnectionError) as error:
        raise BrokerUnavailableError(
            f"Kafka at {bootstrap_servers} stopped responding: {why_lost(admin, error)}"
        ) from error
    except KafkaError as error:
        raise BrokerUnavailableError(f"Kafka at {bootstrap_servers} returned an error: {error}") from error


HEADER_BYTES = 65_536  # room for the additional headers of a copy of a frame, such as a reject
_EVENT_BYTES_MAX = 1_048_576
# Kafka compacts only segments that are complete, and by default completes one after a week.
_COMPACTED = {"cleanup.policy": "compact", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.1"}


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """Desired configuration of a topic. settings: Kafka's topic settings as text."""

    name: str
    partitions: int
    replication: int
    settings: dict[str, str]


def plan_topics(partitions: int, replication: int, retention_hours: int, message_bytes_max: int) -> list[TopicPlan]:
    """Plan all topics. Frames are kept for retention_hours; defects, review and coils 30 times, the rest 7 times that.

    Rejects, review frames, coils, acknowledgements and states of cameras are few, so they have one partition, which
    keeps them in order. Acknowledgements and states are compacted.
    """
    copies_bytes_max = message_bytes_max + HEADER_BYTES

    def plan(name: str, partitions: int, periods: int, bytes_max: int) -> TopicPlan:
        settings = {
            "cleanup.policy": "delete",
            "retention.ms": str(periods * retention_hours * 3_600_000),
            "max.message.bytes": str(bytes_max),
            "min.insync.replicas": str(max(replication - 1, 1)),
        }
        return TopicPlan(name, partitions, replication, settings)

    def compacted(name: str) -> TopicPlan:
        """Plan a topic that keeps the newest record of each key, without a limit of time."""
        plan_ = plan(name, 1, 1, _EVENT_BYTES_MAX)
        settings = plan_.settings | _COMPACTED
        del settings["retention.ms"]
        return replace(plan_, settings=settings)

    return [
        plan(names.FRAMES, partitions, 1, message_bytes_max),
        plan(names.RESULTS, partitions, 7, _EVENT_BYTES_MAX),
        plan(names.DEFECTS, partitions, 30, _EVENT_BYTES_MAX),
        plan(names.EVIDENCE, partitions, 7, message_bytes_max),
        plan(names.REJECTS, 1, 7, copies_bytes_max),
        plan(names.REVIEW, 1, 30, copies_bytes_max),
        plan(names.SHADOW, partitions, 7, _EVENT_BYTES_MAX),
        plan(names.COILS, 1, 30, _EVENT_BYTES_MAX),
        *map(compacted, names.COMPACTED),
    ]


def create_topics(admin: Any, plans: list[TopicPlan]) -> None:
    """Create the topics, leaving existing ones unchanged. Raises SettingsError if Kafka rejects one."""
    if not plans:
        return
    wanted = {
        plan.name: {
            "num_partitions": plan.partitions,
            "replication_factor": plan.replication,
            "configs": plan.settings,
        }
        for plan in plans
    }
    for created in admin.create_topics(wanted, raise_errors=False)["topics"]:
        if created["error_code"] not in (
            0,
            TopicAlreadyExistsError.errno,
        ):  # another client may create it at the same time
            raise SettingsError(f"Kafka rejected the topic {created['name']}: {created['error_message']}")
    admin.wait_for_topics(list(wanted))


@contextmanager
def temporary_topics(client: ClientConfig, prefix: str, partitions: int) -> Iterator[dict[str, str]]:
    """Create the topics with a prefix, and yield their names by kind. They are deleted unless the prefix is empty."""
    plans = [replace(plan, name=prefix + plan.name) for plan in plan_topics(partitions, 1, 1, MESSAGE_BYTES_MAX)]
    with open_admin(client) as admin:
        create_topics(admin, plans)
    try:
        kinds = {"frames": names.FRAMES, "results": names.RESULTS, "defects": names.DEFECTS, "rejects": names.REJECTS}
        kinds |= {"evidence": names.EVIDENCE, "review": names.REVIEW}
        kinds |= {"acknowledgements": names.ACKNOWLEDGEMENTS, "cameras": names.CAMERAS}
        yield {kind: prefix + name for kind, name in kinds.items()}
    finally:
        if prefix:
            with open_admin(client) as admin:
                admin.delete_topics([plan.name for plan in plans])
