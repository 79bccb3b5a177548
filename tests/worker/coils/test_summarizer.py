"""Coil summaries on Kafka, and the report over existing results."""

import csv
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stripwatch.worker.coils.report import as_csv
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.replay_mark import replay_mark_headers
from tests.e2e.line import Line, fetch
from tests.waiting import wait_until
from tests.worker.coils.process import running_coils, stopped, topic_arguments
from tests.worker.coils.samples import result
from tests.worker.conftest import CommandLine, last_json

DAY_MS = 86_400_000


def results(coil: str, numbers: range, **frame: Any) -> list[Result]:
    """Build one result per number: 800 mm of strip each, 700 mm apart, all showing one long defect."""
    return [
        msgspec.structs.replace(
            result(**{"coil": coil, "line": "/p/l"} | _taken(n) | frame),
            id=f"{coil}-{n}",
        )
        for n in numbers
    ]


def _taken(number: int) -> dict[str, int]:
    return {"strip_position_mm": 700 * number, "captured_ms": 1_700_000_000_000 + number}


def publish(
    line: Line, events: list[Result], topic: str = "results", at_ms: int | None = None, partition: int = 0
) -> None:
    """Send results. at_ms: time of the first record; the others follow at intervals of one second."""
    with line.broker.producer() as producer:
        for number, event in enumerate(events):
            source = [("ce_source", b"/p%2Fl/top-1")]
            more = {} if at_ms is None else {"timestamp_ms": at_ms + 1000 * number}
            value = msgspec.json.encode(event)
            sent = producer.send(line.topics[topic], value, b"top-1", source, partition, **more)
            sent.get(30)


def publish_replay_mark(line: Line) -> None:
    with line.broker.producer() as producer:
        producer.send(line.topics["rejects"], b"", key=b"top-1", headers=replay_mark_headers("a-reject")).get(30)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def coil_line(request: pytest.FixtureRequest) -> Line:
    line = Line.on(request.getfixturevalue(f"{request.param}_broker"))
    line.topics["coils"] = line.broker.new_topic()
    return line


def test_publishes_a_summary_when_the_next_coil_runs_and_none_after_a_restart(coil_line: Line) -> None:
    publish(coil_line, results("C1", range(4)) + results("C2", range(10, 12)))
    publish_replay_mark(coil_line)
    with running_coils(coil_line) as process:
        (record,) = coil_line.read("coils", 1)
        counts = stopped(process)
    summary = msgspec.json.decode(record.value or b"", type=CoilSummary)
    assert (summary.coil, summary.ended, summary.length_mm, summary.uncovered_mm) == ("C1", "next-coil", 2900, 0)
    assert summary.defects == {"pits": 1}, "four frames of one long defect"
    assert (record.key, record.headers["ce_id"].decode()) == (b"/p/l", summary.id)
    assert record.headers["ce_source"] == b"/p%2Fl", "the line as written by its cameras"
    assert (counts["coils"], counts["frames"], counts["unreadable"]) == (1, 6, 0)

    publish(coil_line, results("C1", range(4)) + results("C3", range(20, 22)))  # a worker repeats its results
    with running_coils(coil_line) as process:
        records = coil_line.read("coils", 2)
        stopped(process)
    assert [record.json["coil"] for record in records] == ["C1", "C2"]
    assert len(coil_line.read_all("coils")) == 2


def test_late_frames_correct_their_summary_across_a_restart(coil_line: Line) -> None:
    """A worker was killed, and another one inspects its frames after the line has started the next coil."""
    port = free_port()
    publish(coil_line, results("C1", range(3)) + results("C1", range(13, 16)) + results("C2", range(20, 22)))
    with running_coils(coil_line, "--metrics-port", str(port)) as process:
        (first,) = coil_line.read("coils", 1)
        publish(coil_line, results("C1", range(3, 8)))
        _, second = coil_line.read("coils", 2)
        # The acknowledgement arrives after the record can be read.
        wait_until(lambda: 'stripwatch_coils_summaries_total{kind="corrected"} 1.0' in fetch(port, "/metrics")[1])
        metrics = fetch(port, "/metrics")[1]
        assert fetch(port, "/healthz")[0] == 200
        counts = stopped(process)
    assert (first.json["revision"], first.json["uncovered_mm"], second.json["revision"]) == (1, 6900, 2)
    assert (second.json["id"], second.json["frames"]["inspected"]) == (first.json["id"], 11)
    assert second.json["uncovered_mm"] == 3400, "frames 8 to 12 have not arrived"
    ids = [record.headers["ce_id"].decode() for record in (first, second)]
    assert ids == [first.json["id"], f"{first.json['id']}-2"]
    assert (counts["coils"], counts["corrections"], counts["late"], counts["frames"]) == (1, 1, 5, 13)
    for sample in (
        'stripwatch_coils_late_frames_total{outcome="late"} 5.0',
        'stripwatch_coils_summaries_total{kind="corrected"} 1.0',
        'stripwatch_coils_frames_total{state="inspected"} 13.0',
    ):
        assert sample in metrics

    publish(coil_line, results("C1", range(8, 13)))  # while no summarizer runs
    with running_coils(coil_line) as process:
        *_, third = coil_line.read("coils", 3)
        counts = stopped(process)
    assert (third.json["id"], third.json["revision"], third.json["uncovered_mm"]) == (first.json["id"], 3, 0)
    assert third.json["frames"]["inspected"] == 16
    assert (counts["coils"], counts["supplements"]) == (0, 0)


def test_frames_too_late_for_a_correction_get_a_supplement(coil_line: Line) -> None:
    publish(coil_line, results("C1", range(6)) + results("C2", range(20, 22)))
    with running_coils(coil_line, "--correctable-s", "0") as process:
        (first,) = coil_line.read("coils", 1)
        publish(coil_line, results("C1", range(2)) + [late_result(number) for number in range(2, 4)])
        _, extra = coil_line.read("coils", 2)
        counts = stopped(process)
    assert (extra.json["supplement"], extra.json["coil"], extra.json["frames"]["inspected"]) == (True, "C1", 2)
    assert extra.json["id"] != first.json["id"]
    assert (counts["supplements"], counts["late"], counts["repeats"]) == (1, 2, 2)


def late_result(number: int) -> Result:
    """Build the result of a new frame."""
    (found,) = results("C1", range(number, number + 1))
    return msgspec.structs.replace(found, id=f"late-{number}")


def test_report_closes_coils_by_record_time_across_partitions(coil_line: Line, command_line: CommandLine) -> None:
    """A coil id is reused the next day. One partition is longer than the other, so more of it is read at first."""
    line = replace(coil_line, topics=coil_line.topics | {"results": coil_line.broker.new_topic(2)})
    now_ms = round(time.time() * 1000) - 2 * DAY_MS
    for day in range(2):
        at_ms = now_ms + day * DAY_MS
        for partition, camera, numbers in ((0, "top-1", range(40)), (1, "top-2", range(4))):
            of_day = [
                msgspec.structs.replace(one, id=f"{camera}-{day}-{number}")
                for number in numbers
                for one in results("C1", range(number, number + 1), camera=camera, captured_ms=at_ms + 1000 * number)
            ]
            publish(line, of_day, at_ms=at_ms, partition=partition)
    code, stdout, stderr = command_line("report", *topic_arguments(line), "--json")
    assert code == 0, stderr
    coils = last_json(stdout)["coils"]
    assert [(coil["coil"], coil["frames"]["inspected"], coil["length_mm"]) for coil in coils] == [
        ("C1", 44, 28_100)
    ] * 2
    assert [coil["ended"] for coil in coils] == ["silence", None]


def test_report_reads_all_existing_records(coil_line: Line, command_line: CommandLine, tmp_path: Path) -> None:
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


def test_report_without_coils_is_only_a_header() -> None:
    assert as_csv([]).count("\n") == 1
