"""Several workers under one supervisor, on Apache Kafka."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, fetch, running_worker
from tests.tiny import encode_frame
from tests.waiting import wait_until

pytestmark = pytest.mark.long

LONG = ("session_timeout_ms=300000",)  # no test may wait for a session to end, so each group is used once
FRAMES = [encode_frame((number % 100) / 100, seed=number) for number in range(100)]


def inspected(line: Line) -> list[tuple[int, int]]:
    events = [record.json["frame"] for record in line.read_all("results")]
    return sorted((event["partition"], event["offset"]) for event in events)


@pytest.mark.kafka
def test_two_processes_share_the_frames_and_a_dead_one_is_restarted(apache_broker: BrokerHandle, bundle: Path) -> None:
    line = Line.on(apache_broker, partitions=4)
    sent = line.send(FRAMES * 4, key=b"a")
    settings = ("delivery=exactly-once", "instance_id=plant", "processes=2", *LONG)
    with running_worker(
        line, bundle, line.broker.new_name("group"), *(part for pair in settings for part in ("--set", pair))
    ) as supervisor:
        port: int = supervisor.await_log("supervising")["metrics_port"]
        pids = [supervisor.await_log("worker started")["pid"] for _ in range(2)]
        line.read("results", len(sent))
        text = fetch(port, "/metrics")[1]
        assert set(re.findall(r'stripwatch_ready{process="(\d)"}', text)) == {"0", "1"}
        assert re.findall(r'stripwatch_process_up{process="(\d)"} (\S+)', text) == [("0", "1.0"), ("1", "1.0")]
        os.kill(pids[0], signal.SIGKILL)
        assert supervisor.await_log("worker died")["code"] == -signal.SIGKILL
        supervisor.await_log("worker started")
        assert "stripwatch_process_restarts_total 1.0" in fetch(port, "/metrics")[1]
        sent += line.send(FRAMES, key=b"a")
        line.read("results", len(sent))
        assert set(json.loads(fetch(port, "/readyz")[1])["checks"]) == {"process_0", "process_1"}
        assert supervisor.stop() == 0
    assert inspected(line) == sorted((frame.partition, frame.offset) for frame in sent)


@pytest.mark.kafka
@pytest.mark.parametrize("rebalance", ["eager", "cooperative"])
def test_a_dead_process_delays_neither_the_others_nor_its_own_partitions(
    apache_broker: BrokerHandle, bundle: Path, rebalance: str
) -> None:
    line = Line.on(apache_broker, partitions=4)
    settings = ("processes=2", f"rebalance={rebalance}", *LONG)
    with running_worker(
        line, bundle, line.broker.new_name("group"), *(part for pair in settings for part in ("--set", pair))
    ) as supervisor:
        port: int = supervisor.await_log("supervising")["metrics_port"]
        pids = [supervisor.await_log("worker started")["pid"] for _ in range(2)]
        wait_until(lambda: fetch(port, "/readyz")[0] == 200)
        revoked = sum(entry["event"] == "partitions revoked" for entry in supervisor.lines)
        os.kill(pids[0], signal.SIGKILL)
        supervisor.await_log("worker died")
        assert json.loads(fetch(port, "/readyz")[1])["checks"]["process_0"] is False
        sent = line.send(FRAMES, key=b"a")
        line.read("results", len(sent))  # long before the session of the dead one ends
        wait_until(lambda: fetch(port, "/readyz")[0] == 200)
        assert sum(entry["event"] == "partitions revoked" for entry in supervisor.lines) == revoked
        assert 'stripwatch_partitions_read{process="0"} 2.0' in fetch(port, "/metrics")[1]
        assert supervisor.stop() == 0
    assert set(inspected(line)) == {(frame.partition, frame.offset) for frame in sent}


def test_invalid_settings_end_the_supervisor(line: Line, tmp_path: Path) -> None:
    with running_worker(line, tmp_path / "no.onnx", "g", "--set", "processes=2") as supervisor:
        assert supervisor.process.wait(60) == 3


def test_the_layout_is_tuned_by_trials_and_stored(line: Line, bundle: Path, tmp_path: Path) -> None:
    found, sent, results = [], 0, 0
    for group in ("first", "second"):
        sent += len(line.send(FRAMES[:20], key=b"a"))
        results += sent  # a new group begins at the first frame
        settings = ("processes=auto", f"cache_folder={tmp_path / 'cache'}")
        with running_worker(line, bundle, group, *(part for pair in settings for part in ("--set", pair))) as worker:
            found.append(worker.await_log("layout"))
            line.read("results", results)
            assert worker.stop() == 0
    assert found[0]["reason"].startswith("from new trials: ")
    assert found[1]["reason"].startswith("from stored trials: ")
    assert found[0]["processes"] == found[1]["processes"] >= 1
