"""The commands for rejects, on Apache Kafka, because the end offsets of the embedded broker are not counts."""

import json
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, fetch, run_cli, running_worker
from tests.e2e.records import frames

HEADERS = [("ce_subject", b"C1"), ("ce_time", b"2026-11-23T02:00:00.123Z")]


def rejects(line: Line, what: str, *arguments: str) -> tuple[list[str], dict[str, Any], str]:
    """Return the lines, the summary and the text on stderr."""
    topics = (
        "--rejects-topic",
        line.topics["rejects"],
        *(("--topic", line.topics["frames"]) if what == "replay" else ()),
    )
    done = run_cli("rejects", what, "--bootstrap-servers", line.broker.bootstrap_servers, *topics, *arguments)
    assert done.returncode == 0, done.stderr
    *lines, summary = done.stdout.splitlines()
    return lines, json.loads(summary), done.stderr


@pytest.mark.kafka
def test_a_frame_too_large_for_its_topic_does_not_block_other_replays(
    apache_broker: BrokerHandle, bundle: Path
) -> None:
    line = Line.on(apache_broker)
    line.send([b"x" * 500_000, b"no image"], key=b"a")
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        line.read("rejects", 2)
        assert worker.stop() == 0
    limit = {"max.message.bytes": "100000"}
    with apache_broker.admin() as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, line.topics["frames"], limit)])
    _, summary, said = rejects(line, "replay")
    assert (summary["sent"], summary["refused"]) == (1, 1)
    assert "its 500000 bytes exceed" in said


@pytest.mark.kafka
def test_lists_and_replays_rejects(apache_broker: BrokerHandle, bundle: Path) -> None:
    line = Line.on(apache_broker)
    sent = line.send([b"\xff\xd8\xff half", b"x" * 3000, b"no image"], key=b"top-7", headers=HEADERS)
    with running_worker(line, bundle, "g", "--set", "rejects.bytes_max=1000") as worker:
        worker.await_ready()
        line.read("rejects", 3)
        wanted = ("--reason", "unsupported_format", "--camera", "top-7")
        lines, summary, _ = rejects(line, "list", *wanted, "--json", "-")
        assert (summary["rejects_read"], summary["matching"], len(lines)) == (3, 2, 0)
        assert {reject["replayable"] for reject in summary["rejects"]} == {True, False}
        lines, summary, _ = rejects(line, "list")
        assert ["truncated", "top-7", f"{line.topics['frames']}-0-0"] in [text.split()[1:4] for text in lines]
        assert summary["reasons"] == {"unsupported_format": 2, "truncated": 1}

        _, summary, said = rejects(line, "replay")
        assert (summary["sent"], summary["refused"]) == (2, 1)
        assert "only 1000 of its 3000 bytes were kept" in said
        later = line.read("rejects", 7)[3:]  # two rejects, and a replay marker for each replayed frame
        assert sum("stripwatch_replayed" in record.headers for record in later) == 2
        again = [record for record in later if "stripwatch_replayed" not in record.headers]
        assert {reject.value for reject in again} == {sent[0].value, sent[2].value}
        for reject in again:
            assert reject.headers["original.stripwatch_replays"] == b"1"
            assert reject.headers["original.ce_subject"] == b"C1"
            assert reject.headers["stripwatch_key"] == b"top-7"
        first = {(r.partition, r.headers["stripwatch_timestamp_ms"]) for r in line.read("rejects", 3)}
        assert {(r.partition, r.headers["stripwatch_timestamp_ms"]) for r in again} <= first

        _, summary, _ = rejects(line, "replay", "--dry-run")
        assert (summary["would_send"], summary["replayed_before"]) == (0, 4)
        assert worker.stop() == 0
    assert len(line.read_all("rejects")) == 7


@pytest.mark.kafka
@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_a_replayed_frame_counts_once(apache_broker: BrokerHandle, bundle: Path, delivery: str) -> None:
    line = Line.on(apache_broker)
    ours = ("--set", f"delivery={delivery}", "--set", "instance_id=replayed")
    line.send(frames(10), key=b"top-1", headers=HEADERS)
    with running_worker(line, bundle, "g", *ours, "--set", "frames.side_px_min=5000") as worker:
        worker.await_ready()
        line.read("rejects", 10)
        assert worker.stop() == 0
    late = ("--set", "deadline_ms=1000", "--set", "late_frames=skip-late")
    with running_worker(line, bundle, "g", *ours, *late) as worker:
        port = worker.await_ready()
        sums = [rejects(line, "replay", "--since", "3h")[1] for _ in range(2)]
        results = line.read("results", 10)
        metrics = fetch(port, "/metrics")[1]
        assert worker.stop() == 0
    assert 'stripwatch_frames_total{camera="replayed"} 10.0' in metrics
    assert 'stripwatch_frames_total{camera="top-1"}' not in metrics
    assert [(each["sent"], each["replayed_before"]) for each in sums] == [(10, 0), (0, 10)]
    assert {result.json["state"] for result in results} == {"inspected"}
    assert len({result.json["frame"]["replay_of"] for result in results}) == 10
    assert len(line.read_all("results")) == 10
    topics = [part for kind in ("results", "rejects") for part in ("--set", f"topics.{kind}={line.topics[kind]}")]
    done = run_cli("report", "--bootstrap-servers", line.broker.bootstrap_servers, "--json", *topics)
    (coil,) = json.loads(done.stdout.splitlines()[-1])["coils"]
    assert coil["frames"] == {"inspected": 10, "skipped": 0, "rejected": 0}
