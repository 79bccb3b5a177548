"""A worker process on a real broker reads frames, publishes events and commits offsets."""

import json
import signal
import subprocess
from pathlib import Path

import msgspec

from stripwatch.worker.bench.embedded_broker import embedded_broker as running_embedded_broker
from stripwatch.worker.common.process.child_process import module_command
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Result
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import START_S_MAX, Line, WorkerProcess, fetch, running_worker
from tests.e2e.records import frames, in_partition_order, positions
from tests.tiny import LABELS, encode_frame, expected_scores
from tests.waiting import wait_until

HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"f-1"),
    ("ce_source", b"/plant/hot-rolling/line-1/top-1"),
    ("ce_type", b"stripwatch.frame.v1"),
    ("ce_time", b"2026-11-23T02:00:00.123Z"),
    ("ce_subject", b"C4711"),
    ("ce_strippositionmm", b"120000"),
    ("content-type", b"image/png"),
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
]


def test_every_frame_gives_one_result_with_the_scores_of_the_model(line: Line, bundle: Path) -> None:
    sent = line.send(frames(200), key=b"top-1", headers=HEADERS)
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        line.read("results", len(sent))
        assert worker.stop() == 0
    results = line.read_all("results")
    by_position = {(frame.partition, frame.offset): frame for frame in sent}
    assert sorted(positions(results)) == sorted(by_position)
    assert in_partition_order(results)
    for record in results:
        event = msgspec.json.decode(record.value or b"", type=Result)
        frame = by_position[event.frame.partition or 0, event.frame.offset or 0]
        scores = expected_scores(frame.value or b"")
        assert max(abs(event.scores[label] - s) for label, s in zip(LABELS, scores, strict=True)) < 1e-5
        assert event.label == LABELS[int(scores.argmax())]
    assert line.committed("g") == {p: sum(f.partition == p for f in sent) for p in range(line.partitions)}


def test_an_event_has_coil_camera_time_and_strip_position(line: Line, bundle: Path) -> None:
    line.send([encode_frame(0.9)], key=b"top-1", headers=HEADERS)
    with running_worker(line, bundle, "g", "--set", "cameras.top-1.mm_per_px=0.5") as worker:
        worker.await_ready()
        (defect,) = line.read("defects", 1)
        worker.stop()
    (result,) = line.read_all("results")
    event = defect.json
    assert event == result.json
    assert event["verdict"] == "defect"
    assert event["defects"][0]["label"] == "bright"
    assert event["defects"][0]["strip_mm"] == {"start": 120000, "end": 120024}
    assert event["frame"]["line"] == "/plant/hot-rolling/line-1"
    assert event["frame"]["coil"] == "C4711"
    assert event["frame"]["captured_at"] == "2026-11-23T02:00:00.123Z"
    assert event["model"]["name"] == "tiny"
    assert defect.key == b"top-1"
    assert defect.headers["ce_type"] == b"stripwatch.defect.v1"
    assert result.headers["ce_type"] == b"stripwatch.result.v1"
    assert defect.headers["ce_subject"] == b"C4711"
    assert defect.headers["traceparent"] == dict(HEADERS)["traceparent"]
    assert result.headers["ce_id"].decode() == event["id"]
    assert defect.headers["ce_id"] == result.headers["ce_id"] + b"-defect"


def test_a_worker_continues_where_the_previous_one_stopped(line: Line, bundle: Path) -> None:
    first = line.send(frames(30), key=b"a")
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        line.read("results", 30)
        assert worker.stop(signal.SIGINT) == 0
    second = line.send(frames(30), key=b"a")
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        line.read("results", 60)
        assert worker.stop() == 0
    results = line.read_all("results")
    assert sorted(positions(results)) == sorted((f.partition, f.offset) for f in first + second)


def test_a_stop_under_load_publishes_and_commits_all_frames_in_flight(line: Line, bundle: Path) -> None:
    sent = line.send(frames(2000), key=b"a")
    with running_worker(line, bundle, "g", "--set", "inflight.frames_max=64") as worker:
        worker.await_ready()
        line.read("results", 1)
        assert worker.stop() == 0
        assert worker.last("stopped")["everything_settled"] is True
        assert worker.lines[-1]["seconds"] < Settings.model_fields["drain_s_max"].default  # the documented deadline
    results = line.read_all("results")
    committed = line.committed("g")
    assert sum(committed.values()) == len(results) == len(set(positions(results)))
    assert all(offset < committed[partition] for partition, offset in positions(results))
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        line.read("results", len(sent))
        assert worker.stop() == 0
    assert sorted(positions(line.read_all("results"))) == sorted((f.partition, f.offset) for f in sent)


def test_two_workers_that_join_and_leave_repeat_nothing(line: Line, bundle: Path) -> None:
    sent = line.send(frames(600), key=b"a")
    with running_worker(line, bundle, "g", "--set", "inflight.frames_max=32") as one:
        one.await_ready()
        line.read("results", 100)
        with running_worker(line, bundle, "g") as two:
            two.await_ready()
            sent += line.send(frames(600), key=b"a")
            line.read("results", 900)
            assert one.stop() == 0
            sent += line.send(frames(300), key=b"a")
            line.read("results", len(sent))
            assert two.stop() == 0
    results = line.read_all("results")
    assert sorted(positions(results)) == sorted((f.partition, f.offset) for f in sent)
    assert sum(line.committed("g").values()) == len(sent)


def test_a_killed_worker_loses_nothing_and_repeated_events_keep_their_id(line: Line, bundle: Path) -> None:
    sent = line.send(frames(1500), key=b"a")
    with running_worker(line, bundle, "g", "--set", "commit_ms=60000", "--set", "inflight.frames_max=64") as one:
        one.await_ready()
        line.read("results", 200)
        one.kill()
    with running_worker(line, bundle, "g") as two:
        two.await_ready()
        wait_until(lambda: sum(line.committed("g").values()) == len(sent))  # nothing was, so all are repeated
        assert two.stop() == 0
    results = line.read_all("results")
    assert set(positions(results)) == {(frame.partition, frame.offset) for frame in sent}
    ids = {(position, result.json["id"]) for position, result in zip(positions(results), results, strict=True)}
    assert len(ids) == len(sent) < len(results)
    first = {result.json["id"]: result for result in reversed(results)}
    assert in_partition_order(sorted(first.values(), key=lambda result: result.offset))


def test_metrics_add_up_and_readiness_is_correct(line: Line, bundle: Path) -> None:
    line.send([*frames(50), b"no image"], key=b"top-1")
    with running_worker(line, bundle, "g") as worker:
        port = worker.await_ready()
        line.read("results", 50)
        line.read("rejects", 1)
        status, body = fetch(port, "/readyz")
        assert (status, json.loads(body)["ready"]) == (200, True)
        assert fetch(port, "/healthz")[0] == 200
        # A reader can see a result before the worker receives its acknowledgement.
        wait_until(lambda: "stripwatch_inflight_frames 0.0" in fetch(port, "/metrics")[1].splitlines())
        metrics = fetch(port, "/metrics")[1].splitlines()
        worker.stop()
    values = dict(text.rsplit(" ", 1) for text in metrics if not text.startswith("#"))
    assert values["stripwatch_ready"] == "1.0"
    assert values['stripwatch_frames_total{camera="top-1"}'] == "51.0"
    assert sum(float(v) for k, v in values.items() if k.startswith("stripwatch_results_total")) == 50
    assert values['stripwatch_rejects_total{camera="top-1",reason="unsupported_format"}'] == "1.0"
    assert values["stripwatch_frame_age_seconds_count"] == "50.0"
    assert values['stripwatch_stage_seconds_count{stage="inference"}'] == "50.0"


def test_a_broker_that_dies_under_load_gives_a_one_line_error_and_exit_code_4(bundle: Path) -> None:
    with running_embedded_broker() as broker:
        line = Line.on(BrokerHandle("embedded", broker.bootstrap_servers, 3000))
        line.send(frames(100) * 200, key=b"a")  # seconds of work, so that the broker dies in the middle
        times = {"send_s_max": 2, "drain_s_max": 5, "broker.away_s_max": 5}  # with or without a frame in flight
        quick = [part for name, seconds in times.items() for part in ("--set", f"{name}={seconds}")]
        worker = WorkerProcess(line, bundle, "g", *quick)
        worker.await_ready()
        line.read("results", 1)
    try:
        assert worker.process.wait(START_S_MAX) == 4
    finally:
        worker.kill()
    said = [entry["event"] for entry in worker.lines]
    assert said[-1].startswith("error: ")
    assert not any("Traceback" in event for event in said)


def test_answers_health_checks_and_stops_while_waiting_for_a_broker(bundle: Path) -> None:
    command = [*module_command("worker"), "run", "--bundle", str(bundle), "--bootstrap-servers", "127.0.0.1:1"]
    with subprocess.Popen(
        [*command, "--metrics-port", "0", "--log-format", "json"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr
        lines = map(json.loads, process.stderr)
        port = next(line["metrics_port"] for line in lines if line["event"] == "starting")
        assert next(line for line in lines if line["event"] == "connecting")
        status, body = fetch(port, "/readyz")
        assert (status, json.loads(body)["checks"]["bundle_verified"]) == (503, True)
        assert fetch(port, "/healthz")[0] == 200
        process.terminate()
        assert process.wait(30) == -signal.SIGTERM
