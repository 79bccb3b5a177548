"""Broker and connection faults: a real worker on a separate Apache Kafka behind a proxy."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from kafka import TopicPartition

from tests.brokers.apache import KafkaUnavailableError
from tests.brokers.plugin import absence_is_a_skip
from tests.e2e.line import STOP_S_MAX, Line, metric, readiness, running_worker
from tests.e2e.records import DELIVERIES, assert_complete, frames, positions
from tests.faults.kafka import Kafka, proxied_kafka
from tests.faults.proxy import Mode
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    with absence_is_a_skip(KafkaUnavailableError), proxied_kafka(1) as running:
        yield running


@pytest.fixture
def line(kafka: Kafka) -> Iterator[Line]:
    yield Line.on(kafka.handle)
    kafka.proxies[0].set(Mode.OPEN)


def by_proxy(kafka: Kafka, delivery: str = "at-least-once", limits: Mapping[str, float] | None = None) -> list[str]:
    """Return the options of a worker that reaches Kafka only through the proxy."""
    pairs = {"delivery": delivery, "instance_id": "one", "inflight.frames_max": 64, **(limits or {})}
    options = [part for key, value in pairs.items() for part in ("--set", f"{key}={value}")]
    return ["--bootstrap-servers", f"127.0.0.1:{kafka.proxies[0].port}", *options]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_survives_a_broker_restart(kafka: Kafka, line: Line, bundle: Path, delivery: str) -> None:
    sent = line.send(frames(1500), key=b"a")
    with running_worker(line, bundle, "g", *by_proxy(kafka, delivery)) as worker:
        port = worker.await_ready()
        line.read("results", 100)
        kafka.stop()
        wait_until(lambda: not readiness(port)["broker_connected"])
        kafka.start()
        sent += line.send(frames(300), key=b"a")
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))
        wait_until(lambda: all(readiness(port).values()))
        assert worker.stop() == 0
    assert_complete(line, sent, delivery)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_survives_a_connection_cut_in_the_middle_of_a_response(
    kafka: Kafka, line: Line, bundle: Path, delivery: str
) -> None:
    sent = line.send(frames(300), key=b"a")
    with running_worker(line, bundle, "g", *by_proxy(kafka, delivery)) as worker:
        worker.await_ready()
        for _ in range(8):  # the response that is cut is random: frames, results, commits or heartbeats
            kafka.proxies[0].set(Mode.TEAR)
            sent += line.send(frames(100), key=b"a")
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))
        assert worker.stop() == 0
    assert_complete(line, sent, delivery)


@pytest.mark.parametrize("mode", [Mode.SHUT, Mode.MUTE])
def test_an_idle_worker_exits_if_the_broker_stays_away(kafka: Kafka, line: Line, bundle: Path, mode: Mode) -> None:
    with running_worker(
        line, bundle, "g", *by_proxy(kafka, limits={"broker.away_s_max": 4, "drain_s_max": 1})
    ) as worker:
        worker.await_ready()
        kafka.proxies[0].set(mode)
        assert worker.process.wait(STOP_S_MAX) == 4
        worker.kill()
    assert "no response from Kafka for" in worker.lines[-1]["event"]


def test_starts_while_connections_drop(kafka: Kafka, line: Line, bundle: Path) -> None:
    sent = line.send(frames(30), key=b"a")
    with running_worker(line, bundle, "g", *by_proxy(kafka)) as worker:
        worker.await_log("connecting")
        for _ in range(20):
            kafka.proxies[0].cut()
            wait_until(lambda: True)
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))
        assert worker.stop() == 0
    assert_complete(line, sent, "at-least-once")


def test_counts_frames_deleted_by_kafka(kafka: Kafka, line: Line, bundle: Path) -> None:
    sent = line.send(frames(90), key=b"a")
    with running_worker(line, bundle, "g", *by_proxy(kafka)) as worker:
        worker.await_ready()
        line.read("results", 90)
        assert worker.stop() == 0
    sent += line.send(frames(90), key=b"a")
    partitions = [TopicPartition(line.topics["frames"], number) for number in range(3)]
    with line.broker.admin() as admin:
        # each partition had 60 frames, 30 of them inspected
        admin.delete_records({partitions[0]: 50, partitions[1]: 35})
    with running_worker(line, bundle, "g", *by_proxy(kafka)) as worker:
        port = worker.await_ready()
        deleted = {0: 20, 1: 5, 2: 0}
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))
        assert metric(worker, port, "frames_deleted_total") == sum(deleted.values())
        assert metric(worker, port, 'offset_resets_total{cause="deleted"}') == 2
        assert worker.stop() == 0
    logged = {entry["partition"]: entry["frames"] for entry in worker.lines if "deleted by Kafka" in entry["event"]}
    assert logged == {0: 20, 1: 5}
    inspected = positions(line.read_all("results"))
    assert {number: 60 - sum(p == number for p, _ in inspected) for number in range(3)} == deleted


def test_follows_a_recreated_topic_and_reports_a_deleted_one(kafka: Kafka, line: Line, bundle: Path) -> None:
    line.send(frames(30), key=b"a")
    with running_worker(
        line, bundle, "g", *by_proxy(kafka, limits={"broker.away_s_max": 10, "drain_s_max": 1})
    ) as worker:
        port = worker.await_ready()
        line.read("results", 30)
        with line.broker.admin() as admin:
            admin.delete_topics([line.topics["frames"]])
            worker.await_log("topic is not readable")
            assert not readiness(port)["topic_readable"]
            admin.create_topics({line.topics["frames"]: {"num_partitions": 3, "replication_factor": 1}})
            worker.await_log("topic is readable")
            line.send(frames(30), key=b"a")
            results = line.read("results", 60)
            assert len({result.json["id"] for result in results}) == 60
            admin.delete_topics([line.topics["frames"]])
        assert worker.process.wait(STOP_S_MAX + 20) == 4
        worker.kill()
    assert "missing for" in worker.lines[-1]["event"]


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_cuts_a_reject_that_is_too_large_for_its_topic(kafka: Kafka, line: Line, bundle: Path, delivery: str) -> None:
    line.topics["rejects"] = kafka.handle.new_topic(max_message_bytes="3000")
    sent = line.send([*frames(60), b"no image" * 1000, *frames(60)], key=b"a")
    with running_worker(line, bundle, "g", *by_proxy(kafka, delivery)) as worker:
        port = worker.await_ready()
        (reject,) = line.read("rejects", 1)
        assert 2000 < len(reject.value or b"") < 3000
        assert reject.headers["stripwatch_bytes"] == b"8000"
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))
        assert metric(worker, port, "producer_rebuilds_total") == 0
        assert worker.stop() == 0
    assert len({result.json["id"] for result in line.read_all("results")}) == 120
