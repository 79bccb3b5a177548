"""`check --kafka` on real brokers. It reports what `run` would meet, writes nothing and joins no group."""

from typing import Any

import pytest

from stripwatch.worker.broker import access
from stripwatch.worker.common.errors import BrokerUnavailableError, InputError
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.service.check import Report
from stripwatch.worker.service.check_kafka import check_kafka
from tests.brokers.handle import BrokerHandle

KINDS = ("results", "defects", "rejects", "cameras")


def line(broker: BrokerHandle, partitions: int = 2, **topics: str) -> dict[str, Any]:
    """Return settings with new topics."""
    found = {"frames": broker.new_topic(partitions)} if "frames" not in topics else {}
    found |= {kind: broker.new_topic(1) for kind in KINDS if kind not in topics}
    group_id = broker.new_name("group")
    return {"bootstrap_servers": broker.bootstrap_servers, "group_id": group_id, "topics": found | topics}


def checked(given: dict[str, Any]) -> tuple[Settings, Report]:
    settings, report = load_settings(None, given), Report()
    check_kafka(report, settings)
    return settings, report


def problems(report: Report) -> dict[str, str]:
    return {each.check: f"{each.status}: {each.detail}" for each in report.results if each.status != "ok"}


def test_a_complete_line_is_ok(broker: BrokerHandle) -> None:
    settings, report = checked(line(broker))
    assert problems(report) == {}
    results = {each.check: each.detail for each in report.results}
    assert results["Kafka topics"] == "all 4 required topics exist"
    assert results[f"topic {settings.topics.frames}"].startswith("2 partitions")
    assert results[f"group {settings.group_id}"] in ("running workers: 0", "no broker manages it yet")


def test_all_missing_topics_are_named_and_none_is_created(broker: BrokerHandle) -> None:
    results, cameras = broker.new_name("no-results"), broker.new_name("no-cameras")
    given = line(broker, results=results, cameras=cameras)
    _, report = checked(given)
    assert [type(error) for error in report.errors] == [BrokerUnavailableError]
    assert (
        f"the broker has no topic '{results}', or ACLs hide it from this client; correct the name"
        in problems(report)["Kafka topics"]
    )
    assert "missing, or hidden by ACLs: states of cameras" in problems(report)[f"topic {cameras}"]
    _, report = checked(given | {"topics": given["topics"] | {"results": broker.new_topic(1)}})
    assert report.errors == []
    assert "missing, or hidden by ACLs: states of cameras" in problems(report)[f"topic {cameras}"]
    with broker.admin() as admin:
        assert {results, cameras} & {*admin.list_topics()} == set()


def test_a_topic_that_the_broker_does_not_describe_is_a_warning(
    broker: BrokerHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been deleted since it was listed."""
    described = access.topic_access
    given = line(broker)
    rejects = given["topics"]["rejects"]
    monkeypatch.setattr(
        "stripwatch.worker.service.check_kafka.topic_access",
        lambda admin, topics: described(admin, {*topics} - {rejects}),
    )
    _, report = checked(given)
    assert [*problems(report)] == [f"topic {rejects}"]
    assert "does not describe it" in problems(report)[f"topic {rejects}"]


def test_it_joins_no_group_and_writes_nothing(broker: BrokerHandle) -> None:
    given = line(broker)
    with broker.consumer(given["topics"]["frames"], group_id=given["group_id"]) as running:
        while not running.assignment():
            running.poll(timeout_ms=200)
        before = running.assignment()
        _, report = checked(given)
        assert report.errors == []
        for _ in range(5):
            running.poll(timeout_ms=200)
        assert running.assignment() == before
        ends = running.end_offsets(list(before))
    assert set(ends.values()) == {0}


@pytest.mark.kafka
def test_names_too_few_partitions_small_limits_and_other_settings_of_the_group(apache_broker: BrokerHandle) -> None:
    given = line(apache_broker, rejects=apache_broker.new_topic(1, max_message_bytes="1048588"))
    given |= {"processes": 4, "rebalance": "cooperative"}
    with apache_broker.consumer(given["topics"]["frames"], group_id=given["group_id"]) as running:
        while not running.assignment():
            running.poll(timeout_ms=200)
        settings, report = checked(given)
    assert report.errors == []
    found = problems(report)
    assert "4 processes, but" in found["partitions"]
    assert "2 of them read nothing" in found["partitions"]
    assert "max.message.bytes is 1,048,588" in found[f"size limit of {settings.topics.rejects}"]
    assert "its running workers use the assignor 'range'" in found[f"group {settings.group_id}"]


@pytest.mark.kafka
def test_a_name_that_a_running_worker_has_is_a_warning(apache_broker: BrokerHandle) -> None:
    given = line(apache_broker) | {"instance_id": "press-1"}
    options = {"group_id": given["group_id"], "group_instance_id": "press-1"}
    with apache_broker.consumer(given["topics"]["frames"], **options) as running:
        while not running.assignment():
            running.poll(timeout_ms=200)
        settings, report = checked(given)
    assert "a running worker has the name instance_id = 'press-1'" in problems(report)[f"group {settings.group_id}"]


@pytest.mark.kafka
@pytest.mark.parametrize("instance_id", ["", "one"])
def test_a_transactional_id_is_checked_for_exactly_once(apache_broker: BrokerHandle, instance_id: str) -> None:
    settings, report = checked(line(apache_broker) | {"delivery": "exactly-once", "instance_id": instance_id})
    assert problems(report) == {}
    assert f"transactional id {settings.group_id}-{instance_id or 'check'}" in [each.check for each in report.results]


def test_a_broker_that_cannot_be_reached_ends_the_checks() -> None:
    given = {"bootstrap_servers": f"127.0.0.1:{free_port()}", "broker": {"wait_s_max": 0.2}}
    _, report = checked(given)
    assert [each.status for each in report.results] == ["failed", "skipped"]
    assert [type(error) for error in report.errors] == [BrokerUnavailableError]
    assert "connection refused" in report.results[0].detail


def test_a_missing_certificate_ends_the_checks() -> None:
    _, report = checked({"security": {"protocol": "SSL", "ca_file": "/nowhere/ca.pem"}})
    assert [type(error) for error in report.errors] == [InputError]
