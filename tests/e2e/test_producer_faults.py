"""Records that Apache Kafka rejects affect no other records, with both delivery settings."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, Record, WorkerProcess, fetch, running_worker
from tests.e2e.records import frames, in_partition_order, positions
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]
DEFAULT_BYTES_MAX = "1048588"  # Kafka's default of max.message.bytes
MODES = {
    "at-least-once": ("--set", "delivery=at-least-once"),
    "exactly-once": ("--set", "delivery=exactly-once", "--set", "instance_id=one"),
}
DAY_S = 86_400
SKEWED = (
    "import runpy, sys, time\n"
    "wall = time.time\n"
    f"time.time = lambda: wall() + {DAY_S}\n"
    "sys.argv[0] = 'stripwatch'\n"
    "runpy.run_module('stripwatch.worker', run_name='__main__')\n"
)


@pytest.fixture(params=MODES)
def delivery(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Return the options of a worker with this delivery setting."""
    return MODES[request.param]


@pytest.fixture
def line(apache_broker: BrokerHandle) -> Line:
    """Return a line with one frames partition for large frames, and output topics with Kafka's default limit."""
    topics = {"frames": apache_broker.new_topic(1)}
    topics |= {
        kind: apache_broker.new_topic(1, max_message_bytes=DEFAULT_BYTES_MAX)
        for kind in ("results", "defects", "rejects", "evidence", "review")
    }
    return Line(apache_broker, 1, topics)


def limit(line: Line, kind: str, **settings: str) -> None:
    """Change settings of a topic, named with underscores instead of dots."""
    changes = {name.replace("_", "."): value for name, value in settings.items()}
    with line.broker.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, line.topics[kind], changes)])


def counted(port: int) -> dict[str, float]:
    lines = fetch(port, "/metrics")[1].splitlines()
    pairs = (text.rsplit(" ", 1) for text in lines if not text.startswith("#"))
    return {name: float(value) for name, value in pairs}


def assert_settled(line: Line, sent: list[Record], rejects: int, delivery: tuple[str, ...]) -> None:
    """Check that each frame has one result, in order. At-least-once allows a second result with the same id."""
    results = line.read_all("results")
    if "delivery=at-least-once" in delivery:
        results = list({result.json["id"]: result for result in reversed(results)}.values())
        results.sort(key=lambda result: result.offset)
    assert sorted(positions(results)) == sorted((frame.partition, frame.offset) for frame in sent)
    assert in_partition_order(results)
    assert sum(line.committed("g").values()) == len(sent) + rejects


def assert_cut(reject: Record, size: int, kept_min: int, kept_max: int) -> None:
    assert (reject.headers["stripwatch_bytes"], reject.headers["stripwatch_bytes_kept"]) == (
        b"%d" % size,
        b"%d" % len(reject.value or b""),
    )
    assert kept_min < len(reject.value or b"") <= kept_max


@pytest.mark.parametrize("size", [10_000_000, 6_000_000])
def test_a_reject_is_cut_to_its_topics_limit_before_it_is_sent(
    line: Line, bundle: Path, delivery: tuple[str, ...], size: int
) -> None:
    line.send([b"x" * size], key=b"a")
    sent = line.send(frames(100), key=b"a")
    with running_worker(line, bundle, "g", *delivery) as worker:
        port = worker.await_ready()
        line.read("results", 100)
        (reject,) = line.read("rejects", 1)
        values = counted(port)
        assert worker.stop() == 0
    assert_cut(reject, size, 1_000_000, int(DEFAULT_BYTES_MAX))
    assert (values["stripwatch_producer_rebuilds_total"], values["stripwatch_rejects_shortened_total"]) == (0, 1)
    assert_settled(line, sent, 1, delivery)


def test_a_lowered_limit_replaces_one_producer(line: Line, bundle: Path, delivery: tuple[str, ...]) -> None:
    """The limit is below the size of a batch, and small records in a batch with a large one are not rejected."""
    kept = 2_000
    with running_worker(line, bundle, "g", *delivery) as worker:
        port = worker.await_ready()
        sent = line.send(frames(20), key=b"a")
        line.read("results", 20)
        for kind in ("rejects", "results"):
            limit(line, kind, max_message_bytes=str(kept))
        line.send([b"x" * 500_000], key=b"a")
        sent += line.send(frames(200), key=b"a")
        (reject,) = line.read("rejects", 1)
        wait_until(lambda: sum(line.committed("g").values()) == len(sent) + 1)
        values = counted(port)
        ready = json.loads(fetch(port, "/readyz")[1])["ready"]
        assert worker.stop() == 0
    assert_cut(reject, 500_000, 1, kept)
    assert ready
    assert (
        values['stripwatch_producer_failures_total{reason="too_large"}']
        == values["stripwatch_producer_rebuilds_total"]
        == 1
    )
    assert_settled(line, sent, 1, delivery)


def test_a_result_over_its_topics_limit_ends_the_worker_and_the_error_names_topic_limit_and_size(
    line: Line, bundle: Path, delivery: tuple[str, ...]
) -> None:
    limit(line, "results", max_message_bytes="500")
    line.send(frames(5), key=b"a")
    with running_worker(line, bundle, "g", *delivery) as worker:
        assert worker.process.wait(60) == 4
    (said,) = [entry["event"] for entry in worker.lines if str(entry["event"]).startswith("error: ")]
    assert f"exceeds the limit of topic {line.topics['results']!r}, 500 bytes" in said
    assert "max.message.bytes" in said


@pytest.fixture
def skewed(line: Line, bundle: Path, delivery: tuple[str, ...]) -> Iterator[WorkerProcess]:
    """Start a worker whose clock is one day ahead."""
    worker = WorkerProcess(line, bundle, "g", *delivery, program=(sys.executable, "-c", SKEWED))
    yield worker
    worker.kill()


def test_a_clock_that_is_a_day_ahead_is_reported_and_delays_nothing(
    line: Line, skewed: WorkerProcess, delivery: tuple[str, ...]
) -> None:
    for kind in ("results", "rejects"):
        limit(line, kind, message_timestamp_after_max_ms="3600000")
    port = skewed.await_ready()
    sent = line.send(frames(50), key=b"a")
    line.send([b"no image"], key=b"a")
    line.read("results", 50)
    line.read("rejects", 1)
    refused = skewed.await_log(
        "Kafka refuses the timestamps of records; correct the clock of this host or of the broker"
    )
    assert refused["topic"] in (line.topics["results"], line.topics["defects"])
    assert abs(refused["seconds_ahead_of_frame"] - DAY_S) < 60
    status, body = fetch(port, "/readyz")
    failing = [name for name, holds in json.loads(body)["checks"].items() if not holds]
    assert (status, failing) == (503, ["clock_agrees"])
    values = counted(port)
    assert (values["stripwatch_clock_refused"], values["stripwatch_producer_rebuilds_total"]) == (1, 1)
    assert values['stripwatch_producer_failures_total{reason="timestamp"}'] == 1
    assert skewed.stop() == 0
    assert_settled(line, sent, 1, delivery)
    frame_ms = {frame.offset: frame.timestamp_ms for frame in line.read_all("frames")}
    for result in line.read_all("results"):
        assert result.timestamp_ms == frame_ms[result.json["frame"]["offset"]]


def test_a_deleted_topic_is_named_and_makes_the_worker_unready(
    line: Line, bundle: Path, delivery: tuple[str, ...]
) -> None:
    patience = ("--set", "send_s_max=6", "--set", "broker.away_s_max=10")
    with running_worker(line, bundle, "g", *delivery, *patience) as worker:
        port = worker.await_ready()
        line.send(frames(5), key=b"a")
        line.read("results", 5)
        with line.broker.admin() as admin:
            admin.delete_topics([line.topics["rejects"]])
        line.send([b"no image"], key=b"a")
        unready: list[int] = []

        def ended() -> bool:
            if worker.process.poll() is not None:
                return True
            try:
                unready.append(fetch(port, "/readyz")[0])
            except OSError:
                return False
            return False

        wait_until(ended)
        assert worker.process.returncode == 4
    assert 503 in unready
    (said,) = [entry["event"] for entry in worker.lines if str(entry["event"]).startswith("error: ")]
    assert line.topics["rejects"] in said


def test_survives_a_topic_that_comes_back_in_time(line: Line, bundle: Path, delivery: tuple[str, ...]) -> None:
    with running_worker(line, bundle, "g", *delivery) as worker:
        port = worker.await_ready()
        sent = line.send(frames(5), key=b"a")
        line.read("results", 5)
        with line.broker.admin() as admin:
            admin.delete_topics([line.topics["rejects"]])
        line.send([b"no image"], key=b"a")
        sent += line.send(frames(20), key=b"a")
        wait_until(lambda: '"results_delivered": false' in fetch(port, "/readyz")[1])
        with line.broker.admin() as admin:
            admin.create_topics({line.topics["rejects"]: {"num_partitions": 1, "replication_factor": 1}})
        wait_until(lambda: fetch(port, "/readyz")[0] == 200)
        wait_until(lambda: sum(line.committed("g").values()) == len(sent) + 1)
        assert len(line.read_all("rejects")) == 1
        assert worker.stop() == 0
    assert_settled(line, sent, 1, delivery)
