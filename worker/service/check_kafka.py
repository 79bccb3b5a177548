"""`stripwatch check --kafka`: connection, topics, permissions and limits. Nothing is written, no group is joined."""

from collections.abc import Collection
from typing import Any

from kafka.errors import CoordinatorNotAvailableError, KafkaError

from stripwatch.worker.broker.access import (
    DESCRIBE,
    READ,
    WRITE,
    GroupAccess,
    TopicAccess,
    group_access,
    topic_access,
    transaction_problem,
    why,
)
from stripwatch.worker.broker.admin import HEADER_BYTES, open_admin
from stripwatch.worker.broker.connection import client_config
from stripwatch.worker.broker.consumers import list_topics, open_group_member, require_topics
from stripwatch.worker.common.errors import BrokerUnavailableError, StripwatchError
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.topics import how_to_create
from stripwatch.worker.service.check import Report
from stripwatch.worker.service.startup import required_topics


def check_kafka(report: Report, settings: Settings) -> None:
    """Add the checks of Kafka to a report, in the order in which `run` would meet their problems."""
    try:
        # The same client as that of run. It joins its group with the first poll, which never happens here.
        consumer = open_group_member(settings)
    except StripwatchError as error:
        report.fail("Kafka connection", error)
        report.add("Kafka topics and permissions", "skipped", "requires the connection")
        return
    try:
        report.add("Kafka connection", "ok", f"{settings.bootstrap_servers} ({settings.security.protocol})")
        existing = _check_existing(report, settings, consumer)
    finally:
        consumer.close()
    try:
        with open_admin(client_config(settings)) as admin:
            _ask(report, settings, admin, existing)
    except StripwatchError as error:
        report.fail("Kafka permissions", error)


def _check_existing(report: Report, settings: Settings, consumer: Any) -> set[str]:
    """Check that the topics exist, and return the names of all topics."""
    needed = required_topics(settings)
    existing: set[str] = set()
    try:
        existing = list_topics(consumer, settings.broker.wait_s_max)
        require_topics(consumer, needed, settings.broker.wait_s_max)
        report.add("Kafka topics", "ok", f"all {len(needed)} required topics exist")
    except StripwatchError as error:
        report.fail("Kafka topics", error)
    for topic, purpose in _optional(settings).items():
        if existing and topic not in existing:
            detail = f"missing, or hidden by ACLs: {purpose}; {how_to_create([topic])}"
            report.add(f"topic {topic}", "warning", detail)
    return existing


def _optional(settings: Settings) -> dict[str, str]:
    """Return the topics that the worker uses only if they exist, with what is missing without them."""
    found = {settings.topics.cameras: "states of cameras are not published"}
    if settings.shadow.bundle is not None:
        found[settings.topics.shadow] = "results of the shadow are not published"
    return found


def _ask(report: Report, settings: Settings, admin: Any, existing: Collection[str]) -> None:
    wanted = {*required_topics(settings), *_optional(settings)} & {*existing}
    topics: dict[str, TopicAccess] = {}
    try:
        topics = topic_access(admin, wanted)
        for name in sorted(wanted - topics.keys()):
            report.add(f"topic {name}", "warning", "the broker lists it, but does not describe it; run the check again")
    except KafkaError as error:
        report.fail("Kafka topics", BrokerUnavailableError(f"cannot describe the topics: {why(error)}"))
    for name, topic in topics.items():
        _check_topic(report, settings, name, topic)
    _check_partitions(report, settings, topics)
    _check_sizes(report, settings, topics)
    try:
        _check_group(report, settings, group_access(admin, settings.group_id))
    except KafkaError as error:
        report.add("consumer group", "warning", f"the broker does not describe it: {why(error)}")
    if settings.delivery == "exactly-once":
        _check_transactions(report, settings, admin)


def _check_topic(report: Report, settings: Settings, name: str, topic: TopicAccess) -> None:
    operation = READ if name == settings.topics.frames else WRITE
    required = name in required_topics(settings)
    denied = [each.capitalize() for each in (DESCRIBE, operation) if topic.denies(each)]
    if denied:
        sentence = (
            f"Kafka's ACLs do not allow this client to {operation.lower()} the topic {name!r}; grant it "
            f"{' and '.join(denied)}"
        )
        _refuse(report, f"topic {name}", sentence, required)
    elif topic.leaderless:
        partitions = ", ".join(map(str, topic.leaderless))
        _refuse(report, f"topic {name}", f"no leader for partition {partitions}; check the brokers", required)
    else:
        limit = "" if topic.bytes_max is None else f", records up to {topic.bytes_max:,} bytes"
        known = "" if topic.allowed is not None else "; the broker does not report permissions"
        report.add(f"topic {name}", "ok", f"{topic.partitions} partitions{limit}{known}")


def _refuse(report: Report, check: str, sentence: str, required: bool) -> None:
    if required:
        report.fail(check, BrokerUnavailableError(sentence))
    else:
        report.add(check, "warning", sentence)


def _check_partitions(report: Report, settings: Settings, topics: dict[str, TopicAccess]) -> None:
    frames = topics.get(settings.topics.frames)
    processes = (report.model.get("layout") or {}).get("processes", settings.processes)
    if frames is not None and isinstance(processes, int) and processes > frames.partitions:
        detail = (
            f"{processes} processes, but {settings.topics.frames} has {frames.partitions} partitions: "
            f"{processes - frames.partitions} of them read nothing; add partitions, or lower processes"
        )
        report.add("partitions", "warning", detail)


def _check_sizes(report: Report, settings: Settings, topics: dict[str, TopicAccess]) -> None:
    """Warn of topics whose limit is lower than the frames that are copied to them."""
    frames = topics.get(settings.topics.frames)
    largest = settings.frames.bytes_max
    if frames is not None and frames.bytes_max is not None:
        largest = min(largest, frames.bytes_max)
    copies = {settings.topics.rejects: min(largest, settings.rejects.bytes_max), settings.topics.review: largest}
    for name, frame_bytes in copies.items():
        limit = topics[name].bytes_max if name in topics else None
        if limit is not None and limit < frame_bytes:
            detail = (
                f"max.message.bytes is {limit:,}, but frames may have {frame_bytes:,} bytes and headers: larger copies "
                f"are cut or left out; set it to {frame_bytes + HEADER_BYTES} or more"
            )
            report.add(f"size limit of {name}", "warning", detail)


def _check_group(report: Report, settings: Settings, group: GroupAccess) -> None:
    name = f"group {settings.group_id}"
    if group.problem is not None:
        sentence = f"Kafka's ACLs do not allow this client to use the group {settings.group_id!r}; grant it Read"
        report.fail(name, BrokerUnavailableError(sentence))
        return
    expected = {"eager": "range", "cooperative": "cooperative-sticky"}[settings.rebalance]
    if group.protocol and group.protocol != expected:
        detail = (
            f"its running workers use the assignor {group.protocol!r}, but rebalance = {settings.rebalance!r} uses "
            f"{expected!r}; give all workers of the group the same setting"
        )
        report.add(name, "warning", detail)
    elif settings.instance_id and settings.instance_id in group.members:
        detail = (
            f"a running worker has the name instance_id = {settings.instance_id!r}: it is fenced when this one starts"
        )
        report.add(name, "warning", detail)
    elif not group.has_coordinator:
        report.add(name, "ok", "no broker manages it yet")
    else:
        report.add(name, "ok", f"running workers: {len(group.members)}")


def _check_transactions(report: Report, settings: Settings, admin: Any) -> None:
    # The name of a worker without instance_id is known only when it starts; ACLs for it must have a prefix pattern.
    transactional_id = f"{settings.group_id}-{settings.instance_id or 'check'}"
    check = f"transactional id {transactional_id}"
    try:
        problem = transaction_problem(admin, transactional_id)
    except CoordinatorNotAvailableError as error:
        report.add(check, "warning", f"unknown whether it may be used: {error}; run the check again")
        return
    except KafkaError as error:
        problem = why(error)
    if problem is None:
        report.add(check, "ok", "may be used")
        return
    sentence = f"Kafka refuses the transactional id {transactional_id!r}: {problem}; grant this client Write on it" + (
        "" if settings.instance_id else f", with a pattern for the prefix '{settings.group_id}-'"
    )
    report.fail(check, BrokerUnavailableError(sentence))
