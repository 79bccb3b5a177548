"""The frames topic is deleted and recreated, or gains partitions, on Apache Kafka. No frame is missed silently.

The embedded broker is not tested, because it does not support fetching by topic id.
"""

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.structs import OffsetAndMetadata

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.clients import recreate
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import STOP_S_MAX, Line, Record, metric, running_worker
from tests.e2e.records import DELIVERIES, frames, in_partition_order, positions
from tests.slow import write_slow_bundle
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]
OLD, NEW = b"old", b"new"  # camera of the frames before and after the change
SMALL = ("--set", "inflight.frames_max=16", "--set", "instance_id=one")
# Kafka rejects the offsets of a deleted topic; the worker must notice that before it considers Kafka unreachable.
SEND_SOON = ("--set", "send_s_max=6")
LATEST = ("--set", "start_at=latest")


@pytest.fixture
def line(apache_broker: BrokerHandle) -> Line:
    return Line.on(apache_broker)


@pytest.fixture(scope="module")
def slow_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slow_bundle(tmp_path_factory.mktemp("slow") / "slow.onnx")


def delivered(delivery: str) -> tuple[str, ...]:
    return (*SMALL, "--set", f"delivery={delivery}")


def results_of(line: Line, camera: bytes) -> list[Record]:
    return [record for record in line.read_all("results") if record.key == camera]


def await_all_inspected(line: Line, sent: list[Record]) -> list[Record]:
    """Wait until each of the new frames has a result, and return the results."""
    missing = {(frame.partition, frame.offset) for frame in sent}

    def is_complete(results: list[Record]) -> bool:
        if results[-1].key == NEW:
            missing.difference_update(positions(results[-1:]))
        return not missing

    line.read_until("results", is_complete)
    assert not missing, f"{len(missing)} of {len(sent)} frames have no result"
    return results_of(line, NEW)


def change_partitions(line: Line, count: int) -> Line:
    with line.broker.admin() as admin:
        admin.create_partitions({line.topics["frames"]: count})
    return replace(line, partitions=count)


def commit(line: Line, offset: int, metadata: str) -> None:
    """Commit offsets as a client that is not a member, while the group is empty."""
    partitions = [TopicPartition(line.topics["frames"], number) for number in range(line.partitions)]
    with line.broker.consumer(group_id="g") as consumer:
        consumer.assign(partitions)
        consumer.commit({partition: OffsetAndMetadata(offset, metadata, -1) for partition in partitions})


def committed_metadata(line: Line) -> str:
    with line.broker.consumer(group_id="g") as consumer:
        found = consumer.committed(TopicPartition(line.topics["frames"], 0), metadata=True)
        return str(found.metadata)


def deleted_unread(worker_lines: list[dict[str, object]]) -> int:
    entries = [
        entry for entry in worker_lines if entry["event"] == "topic was deleted before all its frames were inspected"
    ]
    return sum(int(str(entry["frames"])) for entry in entries)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("stopped", [False, True], ids=["busy", "stopped"])
def test_reads_a_topic_that_is_recreated_under_a_backlog(
    line: Line, slow_bundle: Path, delivery: str, stopped: bool
) -> None:
    old = line.send(frames(240), key=OLD)
    with running_worker(line, slow_bundle, "g", *delivered(delivery)) as worker:
        port = worker.await_ready()
        line.read("results", 45)
        if stopped:
            worker.process.send_signal(signal.SIGSTOP)
        recreate(line.broker, line.topics["frames"], line.partitions)
        new = line.send(frames(240), key=NEW)
        if stopped:
            worker.process.send_signal(signal.SIGCONT)
        results = await_all_inspected(line, new)
        wait_until(lambda: sum(line.committed("g").values()) == len(new))
        assert metric(worker, port, 'offset_resets_total{cause="recreated"}') == line.partitions
        assert metric(worker, port, "frames_deleted_total") == deleted_unread(worker.lines)
        assert worker.stop() == 0
    assert in_partition_order(results)
    if delivery == "exactly-once":
        assert len(results) == len(new)
    inspected = len(set(positions(results_of(line, OLD))))
    assert inspected + deleted_unread(worker.lines) == len(old)


def delete_topic(line: Line) -> None:
    with line.broker.admin() as admin:
        admin.delete_topics([line.topics["frames"]])


def create_topic(line: Line) -> None:
    with line.broker.admin() as admin:
        admin.create_topics({line.topics["frames"]: {"num_partitions": line.partitions, "replication_factor": 1}})


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_reads_a_deleted_topic_that_comes_back_later(line: Line, slow_bundle: Path, delivery: str) -> None:
    old = line.send(frames(600), key=OLD)
    with running_worker(line, slow_bundle, "g", *delivered(delivery), *SEND_SOON) as worker:
        port = worker.await_ready()
        line.read("results", 45)
        delete_topic(line)
        worker.await_log("partitions revoked")
        assert worker.await_log("partitions assigned")["partitions"] == []
        assert metric(worker, port, "frames_deleted_total") == deleted_unread(worker.lines)
        inspected = results_of(line, OLD)
        assert len(set(positions(inspected))) + deleted_unread(worker.lines) == len(old)
        create_topic(line)
        new = line.send(frames(60), key=NEW)
        results = await_all_inspected(line, new)
        assert worker.stop() == 0
    assert in_partition_order(results)
    if delivery == "exactly-once":
        assert (len(results), len(set(positions(inspected)))) == (len(new), len(inspected))
    assert len(results_of(line, OLD)) == len(inspected)


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("away_s_max", [1, 5])
def test_exits_if_a_deleted_topic_does_not_come_back(
    line: Line, slow_bundle: Path, delivery: str, away_s_max: int
) -> None:
    """With 1 second, the worker exits before it can be sure that the topic was deleted."""
    away = ("--set", f"broker.away_s_max={away_s_max}")
    old = line.send(frames(600), key=OLD)
    with running_worker(line, slow_bundle, "g", *delivered(delivery), *SEND_SOON, *away) as worker:
        worker.await_ready()
        line.read("results", 45)
        delete_topic(line)
        assert worker.process.wait(STOP_S_MAX) == BrokerUnavailableError.exit_code
        worker.kill()
    assert "missing for" in worker.lines[-1]["event"]
    inspected = results_of(line, OLD)
    assert len(set(positions(inspected))) + deleted_unread(worker.lines) == len(old)
    if delivery == "exactly-once":
        assert len(set(positions(inspected))) == len(inspected)


@pytest.mark.parametrize("partitions", [1, 5])
def test_reads_a_topic_that_is_recreated_with_fewer_or_more_partitions(
    line: Line, bundle: Path, partitions: int
) -> None:
    line.send(frames(30), key=OLD)
    with running_worker(line, bundle, "g", *SMALL, *LATEST) as worker:
        worker.await_ready()
        wait_until(lambda: len(line.committed("g")) == line.partitions)
        recreate(line.broker, line.topics["frames"], partitions)
        line = replace(line, partitions=partitions)
        new = line.send(frames(60), key=NEW)
        await_all_inspected(line, new)
        wait_until(lambda: sum(line.committed("g").values()) == len(new))
        assert worker.stop() == 0


def test_two_workers_follow_a_recreated_topic(line: Line, bundle: Path) -> None:
    line.send(frames(30), key=OLD)
    with running_worker(line, bundle, "g", *LATEST) as one, running_worker(line, bundle, "g", *LATEST) as two:
        one.await_ready()
        two.await_ready()
        wait_until(lambda: len(line.committed("g")) == line.partitions)
        recreate(line.broker, line.topics["frames"], line.partitions)
        new = line.send(frames(90), key=NEW)
        await_all_inspected(line, new)
        assert (one.stop(), two.stop()) == (0, 0)


def test_an_offset_of_the_old_topic_is_not_used_after_a_restart(line: Line, bundle: Path) -> None:
    """A late commit: Kafka deleted the offsets with the topic, and takes this one as an offset of the new topic."""
    old = line.send(frames(60), key=OLD)
    with running_worker(line, bundle, "g", *SMALL) as worker:
        worker.await_ready()
        wait_until(lambda: sum(line.committed("g").values()) == len(old))
        assert worker.stop() == 0
    metadata = committed_metadata(line)
    recreate(line.broker, line.topics["frames"], line.partitions)
    new = line.send(frames(90), key=NEW)
    commit(line, 20, metadata)
    with running_worker(line, bundle, "g", *SMALL, *LATEST) as worker:
        port = worker.await_ready()
        await_all_inspected(line, new)
        assert metric(worker, port, 'offset_resets_total{cause="recreated"}') == line.partitions
        assert worker.stop() == 0


def test_uses_an_offset_set_by_an_administrator(line: Line, bundle: Path) -> None:
    sent = line.send(frames(60), key=NEW)
    commit(line, 15, "")
    with running_worker(line, bundle, "g", *SMALL) as worker:
        worker.await_ready()
        await_all_inspected(line, [frame for frame in sent if frame.offset >= 15])
        assert worker.stop() == 0


@pytest.mark.parametrize("start_at", ["latest", "earliest"])
def test_reads_added_partitions_from_their_beginning(line: Line, bundle: Path, start_at: str) -> None:
    line.send(frames(30), key=OLD)
    with running_worker(line, bundle, "g", *SMALL, "--set", f"start_at={start_at}") as worker:
        port = worker.await_ready()
        wait_until(lambda: len(line.committed("g")) == line.partitions)
        line = change_partitions(line, 5)
        new = line.send(frames(50), key=NEW)
        await_all_inspected(line, new)
        assert metric(worker, port, "partitions_added_total") == 2
        assert metric(worker, port, "frames_skipped_at_start_total") == (30 if start_at == "latest" else 0)
        assert worker.stop() == 0


def test_reads_partitions_that_were_added_while_no_worker_ran_from_their_beginning(line: Line, bundle: Path) -> None:
    line.send(frames(30), key=OLD)
    with running_worker(line, bundle, "g", *SMALL, *LATEST) as worker:
        worker.await_ready()
        wait_until(lambda: len(line.committed("g")) == line.partitions)
        assert worker.stop() == 0
    line = change_partitions(line, 5)
    new = line.send(frames(50), key=NEW)
    with running_worker(line, bundle, "g", *SMALL, *LATEST) as worker:
        worker.await_ready()
        await_all_inspected(line, new)
        assert worker.stop() == 0
