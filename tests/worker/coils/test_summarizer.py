"""The summaries of coils on Kafka, and the report over what is there."""

import csv
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stripwatch.worker.coils.coil import CoilSummary
from stripwatch.worker.coils.report import as_csv
from stripwatch.worker.common.process.child_process import module_command
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.replay_mark import replay_mark_headers
from tests.e2e.line import Line
from tests.worker.coils.test_observations import result
from tests.worker.conftest import CommandLine, last_json


def results(coil: str, numbers: range, **frame: Any) -> list[Result]:
    """One result a number: 800 mm of strip each, 700 mm apart, all of it one long defect."""
    return [
        msgspec.structs.replace(
            result(coil=coil, line="/p/l", strip_position_mm=700 * n, captured_ms=1_700_000_000_000 + n, **frame),
            id=f"{coil}-{n}",
        )
        for n in numbers
    ]


def publish(line: Line, events: list[Result]) -> None:
    with line.broker.producer() as producer:
        for event in events:
            source = [("ce_source", b"/p%2Fl/top-1")]
            producer.send(line.topics["results"], msgspec.json.encode(event), key=b"top-1", headers=source).get(30)


def publish_replay_mark(line: Line) -> None:
    with line.broker.producer() as producer:
        producer.send(line.topics["rejects"], b"", key=b"top-1", headers=replay_mark_headers("a-reject")).get(30)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def coil_line(request: pytest.FixtureRequest) -> Line:
    line = Line.on(request.getfixturevalue(f"{request.param}_broker"))
    line.topics["coils"] = line.broker.new_topic()
    return line


def topic_arguments(line: Line) -> list[str]:
    topics = [part for name, topic in line.topics.items() for part in ("--set", f"topics.{name}={topic}")]
    return ["--bootstrap-servers", line.broker.bootstrap_servers, *topics]


@contextmanager
def running_coils(line: Line) -> Iterator["subprocess.Popen[str]"]:
    command = [*module_command("worker"), "coils", "--settle-s", "1", "--silence-s", "60", *topic_arguments(line)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped(process: "subprocess.Popen[str]") -> dict[str, Any]:
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return last_json(output)


def test_a_summary_when_the_next_coil_runs_and_after_a_restart_no_other(coil_line: Line) -> None:
    publish(coil_line, results("C1", range(4)) + results("C2", range(10, 12)))
    publish_replay_mark(coil_line)
    with running_coils(coil_line) as process:
        (record,) = coil_line.read("coils", 1)
        counts = stopped(process)
    summary = msgspec.json.decode(record.value or b"", type=CoilSummary)
    assert (summary.coil, summary.ended, summary.length_mm, summary.uncovered_mm) == ("C1", "next-coil", 2900, 0)
    assert summary.defects == {"pits": 1}, "four frames of one long defect"
    assert (record.key, record.headers["ce_id"].decode()) == (b"/p/l", summary.id)
    assert record.headers["ce_source"] == b"/p%2Fl", "as the cameras of the line write it"
    assert (counts["coils"], counts["frames"], counts["unreadable"]) == (1, 6, 0)

    publish(coil_line, results("C1", range(4)) + results("C3", range(20, 22)))  # a worker that repeats itself
    with running_coils(coil_line) as process:
        records = coil_line.read("coils", 2)
        stopped(process)
    assert [record.json["coil"] for record in records] == ["C1", "C2"]
    assert len(coil_line.read_all("coils")) == 2


def test_the_report_reads_what_is_there(coil_line: Line, command_line: CommandLine, tmp_path: Path) -> None:
    publish(coil_line, results("C1", range(4)) + results("=1+1", range(10, 12)))
    publish_replay_mark(coil_line)
    table = tmp_path / "coils.csv"
    code, stdout, stderr = command_line("report", *topic_arguments(coil_line), "--csv", table)
    assert code == 0, stderr
    assert "C1" in stdout
    assert last_json(stdout) == {"coils": 2, "defects": 2}
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["coil"], row["length_m"], row["defects pits"]) for row in rows] == [
        ("C1", "2.900", "1"),
        ("'=1+1", "1.500", "1"),
    ]
    code, _, stderr = command_line("report", *topic_arguments(coil_line), "--csv", table)
    assert (code, "--force" in stderr) == (6, True)
    code, stdout, _ = command_line("report", *topic_arguments(coil_line), "--json", "--coil", "C1")
    assert [coil["coil"] for coil in json.loads(stdout)["coils"]] == ["C1"]
    code, _, stderr = command_line("report", *topic_arguments(coil_line), "--coil", "C9")
    assert (code, "'C9'" in stderr) == (2, True)


def test_no_coil_is_a_header() -> None:
    assert as_csv([]).count("\n") == 1
