"""Missing ACLs: commands exit immediately with one error message and code 4, and no frame is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka.admin import ACL, ACLFilter, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service.check import Report
from stripwatch.worker.service.check_kafka import check_kafka
from tests.brokers.apache import KafkaUnavailableError, apache_broker
from tests.brokers.handle import BrokerHandle
from tests.brokers.plugin import APACHE_SESSION_MS, absence_is_a_skip
from tests.e2e.line import STOP_S_MAX, Line, run_cli, running_worker
from tests.e2e.records import frames

EVERYBODY = "User:ANONYMOUS"
pytestmark = [pytest.mark.kafka, pytest.mark.long]
# Everything without an ACL is allowed; all clients are anonymous.
RULES = """
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
"""


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    with absence_is_a_skip(KafkaUnavailableError), apache_broker(RULES) as running:
        yield Line.on(BrokerHandle("apache", running.bootstrap_servers, APACHE_SESSION_MS))


@contextmanager
def forbidden(line: Line, kind: ResourceType, name: str, operation: ACLOperation) -> Iterator[None]:
    """Deny one operation; all others on the resource stay allowed."""
    pattern = ResourcePattern(kind, name)
    rules = (ACLOperation.ALL, ACLPermissionType.ALLOW), (operation, ACLPermissionType.DENY)
    with line.broker.admin() as admin:
        admin.create_acls([ACL(EVERYBODY, "*", *rule, pattern) for rule in rules])
        yield
        admin.delete_acls([ACLFilter(EVERYBODY, "*", *rule, pattern) for rule in rules])


@pytest.mark.parametrize(
    ("kind", "name", "operation", "delivery", "sentence"),
    [
        (ResourceType.TOPIC, "frames", ACLOperation.READ, "at-least-once", "do not allow access to the topic"),
        (ResourceType.TOPIC, "results", ACLOperation.WRITE, "at-least-once", "do not allow access to the topic"),
        (ResourceType.TOPIC, "results", ACLOperation.WRITE, "exactly-once", "do not allow access to the topic"),
        (ResourceType.GROUP, "group", ACLOperation.READ, "at-least-once", "GroupAuthorizationFailedError"),
        (
            ResourceType.TRANSACTIONAL_ID,
            "group-one",
            ACLOperation.WRITE,
            "exactly-once",
            "TransactionalIdAuthorization",
        ),
    ],
)
def test_a_missing_acl_gives_a_one_line_error(
    line: Line, bundle: Path, kind: ResourceType, name: str, operation: ACLOperation, delivery: str, sentence: str
) -> None:
    line.send(frames(9), key=b"a")
    options = ("--set", f"delivery={delivery}", "--set", "instance_id=one", "--set", "drain_s_max=1")
    with (
        forbidden(line, kind, line.topics.get(name, name), operation),
        running_worker(line, bundle, "group", *options) as worker,
    ):
        assert worker.process.wait(STOP_S_MAX) == 4
        worker.kill()
    said = [entry["event"] for entry in worker.lines]
    assert sentence in said[-1]
    assert said[-1].startswith("error: Kafka's ACLs do not allow")
    assert not any("Traceback" in event for event in said)


@pytest.mark.parametrize(
    ("kind", "name", "operation", "check"),
    [
        (ResourceType.TOPIC, "frames", ACLOperation.READ, "topic"),
        (ResourceType.TOPIC, "results", ACLOperation.WRITE, "topic"),
        (ResourceType.TOPIC, "results", ACLOperation.DESCRIBE, "Kafka topics"),
        (ResourceType.GROUP, "group", ACLOperation.READ, "group"),
        (ResourceType.GROUP, "group", ACLOperation.DESCRIBE, "group"),
        (ResourceType.TRANSACTIONAL_ID, "group-one", ACLOperation.WRITE, "transactional id"),
    ],
)
def test_check_names_a_missing_acl(
    line: Line, kind: ResourceType, name: str, operation: ACLOperation, check: str
) -> None:
    topics = {kind: line.topics[kind] for kind in ("frames", "results", "defects", "rejects")}
    settings = load_settings(
        None,
        {
            "bootstrap_servers": line.broker.bootstrap_servers,
            "topics": topics,
            "group_id": "group",
            "delivery": "exactly-once",
            "instance_id": "one",
        },
    )
    with forbidden(line, kind, line.topics.get(name, name), operation):
        report = Report()
        check_kafka(report, settings)
    assert [type(error).exit_code for error in report.errors][:1] == [4]
    failed = [result.check for result in report.results if result.status == "failed"]
    assert len(failed) == 1
    assert failed[0].startswith(check)
    report = Report()
    check_kafka(report, settings)
    assert report.errors == []


@pytest.mark.parametrize("topic", ["frames", "rejects"])
def test_a_replay_without_write_access_sends_nothing(line: Line, bundle: Path, topic: str) -> None:
    own = Line.on(line.broker)
    own.send([b"not an image"], key=b"a")
    with running_worker(own, bundle, "rejecting") as worker:
        own.read("rejects", 1)
        assert worker.stop() == 0
    topics = ["--topic", own.topics["frames"], "--rejects-topic", own.topics["rejects"]]
    command = ["rejects", "replay", "--bootstrap-servers", own.broker.bootstrap_servers, *topics]
    with forbidden(own, ResourceType.TOPIC, own.topics[topic], ACLOperation.WRITE):
        done = run_cli(*command)
        assert done.returncode == 4
        assert f"Kafka's ACLs do not allow this client to write to {own.topics[topic]}; grant it" in done.stderr
        assert run_cli(*command, "--dry-run").returncode == 0
    assert (len(own.read_all("frames")), len(own.read_all("rejects"))) == (1, 1)
    assert run_cli(*command).returncode == 0
    assert (len(own.read_all("frames")), len(own.read_all("rejects"))) == (2, 2)


def test_learns_a_topic_limit_it_cannot_read_from_one_rejected_record(line: Line, bundle: Path) -> None:
    topics = line.topics | {"rejects": line.broker.new_topic(1, max_message_bytes="1048588")}
    own = Line(line.broker, line.partitions, topics)
    own.send([b"x" * 10_000_000], key=b"a")
    with (
        forbidden(own, ResourceType.TOPIC, topics["rejects"], ACLOperation.DESCRIBE_CONFIGS),
        running_worker(own, bundle, "limits") as worker,
    ):
        said = worker.await_log("cannot read topic size limits; learning them from rejected records")
        assert said["topics"] == [topics["rejects"]]
        worker.await_log("learned a topic's size limit from a rejected record")
        (reject,) = own.read("rejects", 1)
        assert worker.stop() == 0
    assert 1_000_000 < len(reject.value or b"") < 1_048_588
    assert sum(entry["event"] == "learned a topic's size limit from a rejected record" for entry in worker.lines) == 1
