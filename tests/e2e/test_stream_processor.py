"""The Kafka Streams example in deploy/streams counts the defects in the results of a real worker, with Apache Kafka."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.brokers.apache import NEWEST, STREAMS_POM, KafkaUnavailableError, fetch_jars, find_tool
from tests.brokers.handle import BrokerHandle
from tests.brokers.plugin import absence_is_a_skip
from tests.e2e.line import Line, Record, running_worker
from tests.tiny import encode_frame, tiny_contract, write_bundle

pytestmark = [pytest.mark.kafka, pytest.mark.long]
SOURCE = STREAMS_POM.with_name("DefectsPerMinute.java")
BRIGHT, DARK = encode_frame(0.9), encode_frame(0.1)
FRAMES = [("C1", "10:00:01"), ("C1", "10:00:59"), ("C1", "10:01:00"), ("C2", "10:01:30"), ("", "10:01:31")]
STOP_S_MAX = 30


@contextmanager
def counting(line: Line, output: str) -> Iterator[subprocess.Popen[str]]:
    find_tool("javac")  # Java runs a source file only with the compiler
    jars = fetch_jars(NEWEST, STREAMS_POM)
    topics = (line.topics["results"], output)
    command = [find_tool("java"), "-cp", f"{jars}/*", str(SOURCE), line.broker.bootstrap_servers, *topics]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def newest(rows: list[Record]) -> dict[bytes | None, Any]:
    return {row.key: row.json for row in rows}


def counted_in_python(results: list[Record]) -> dict[bytes | None, Any]:
    """Count defects per coil and minute, and each id once."""
    rows: dict[bytes | None, Any] = {}
    for result in {record.json["id"]: record.json for record in results}.values():
        if result["verdict"] != "defect":
            continue
        coil, minute = result["frame"]["coil"] or "(no coil)", result["frame"]["captured_at"][:16] + ":00Z"
        row = rows.setdefault(f"{coil}|{minute}".encode(), {"coil": coil, "minute": minute, "frames": 0, "defects": {}})
        row["frames"] += 1
        row["defects"] = dict(Counter(row["defects"]) + Counter(defect["label"] for defect in result["defects"]))
    return rows


def test_counts_the_defects_of_each_coil_and_minute_once(apache_broker: BrokerHandle, tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny.onnx", tiny_contract(clean_label="dark"))
    line = Line.on(apache_broker, partitions=2)
    counts = Line(apache_broker, topics={"per_minute": apache_broker.new_topic(1, cleanup_policy="compact")})
    for coil, time in FRAMES:
        headers = [("ce_time", f"2026-11-29T{time}Z".encode())] + ([("ce_subject", coil.encode())] if coil else [])
        line.send([BRIGHT, DARK, BRIGHT, BRIGHT], key=b"top-1", headers=headers)
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        results = line.read("results", 20)
        assert worker.stop() == 0
    with apache_broker.producer() as producer:  # a repeat, and a record that is not a result
        producer.send(line.topics["results"], results[0].value, key=results[0].key).get(STOP_S_MAX)
        producer.send(line.topics["results"], b"not JSON", key=b"top-1").get(STOP_S_MAX)
    expected = counted_in_python(results)
    assert len(expected) == 4
    assert sum(row["frames"] for row in expected.values()) == 15
    with absence_is_a_skip(KafkaUnavailableError), counting(line, counts.topics["per_minute"]) as process:
        rows = counts.read_until("per_minute", lambda found: newest(found) == expected)
        process.terminate()
        _, errors = process.communicate(timeout=STOP_S_MAX)
    assert newest(rows) == expected
    assert [text for text in errors.splitlines() if text.startswith("left out")] == [
        f"left out: a record of {line.topics['results']} is not a JSON object"
    ]
