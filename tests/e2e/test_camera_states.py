"""A worker publishes the states of its cameras, and an installation without the topic works as before."""

from pathlib import Path

from jsonschema import Draft202012Validator

from stripwatch.worker.commands.schemas import asyncapi, schema
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, Record, running_worker
from tests.tiny import encode_frame

FROZEN_FRAMES = 4
SETTINGS = ("--set", f"drift.frozen_frames={FROZEN_FRAMES}", "--set", "drift.report_s=1")


def done(record: Record) -> bool:
    return {each["name"] for each in record.json["conditions"]} >= {"dark", "frozen"}


def test_a_dark_and_frozen_camera_appears_on_the_topic(embedded_broker: BrokerHandle, bundle: Path) -> None:
    line = Line.on(embedded_broker, partitions=1)
    line.topics["cameras"] = embedded_broker.new_topic(1)
    headers = [("ce_source", b"/plant/line-1/top-1")]
    line.send([encode_frame(0.02)] * 60, headers=headers)
    with running_worker(line, bundle, "g", *SETTINGS, "--set", "drift.measure_ms=0") as worker:
        found = line.read_until("cameras", lambda records: len(records) > 20 or done(records[-1]))
        worker.await_log("ready")
        assert worker.stop() == 0
    state = found[-1]
    assert done(state), state.json
    Draft202012Validator(schema("camera-1")).validate(state.json)
    stated = asyncapi()["components"]["messages"]["camera"]["headers"]
    Draft202012Validator(stated).validate({name: value.decode() for name, value in state.headers.items()})
    assert (state.key, state.json["camera"], state.json["line"]) == (b"top-1", "top-1", "/plant/line-1")
    assert state.json["statistics"]["brightness"] < 30
    assert state.json["frame"]["topic"] == line.topics["frames"]
    assert state.json["worker"]


def test_without_the_topic_the_worker_says_so_once_and_works_as_before(
    embedded_broker: BrokerHandle, bundle: Path
) -> None:
    line = Line.on(embedded_broker, partitions=1)
    missing = "cameras-that-do-not-exist"
    line.send([encode_frame(0.5)], key=b"top-1")
    with running_worker(line, bundle, "g", *SETTINGS, "--set", f"topics.cameras={missing}") as worker:
        worker.await_log("ready")
        assert len(line.read("results", 1)) == 1
        assert worker.stop() == 0
    said = [entry for entry in worker.lines if entry.get("topic") == missing]
    assert [(entry["event"].partition(":")[0], entry["level"]) for entry in said] == [
        ("states of cameras are not published", "info")
    ]
    assert [entry["event"] for entry in worker.lines if entry.get("level") == "warning"] == []
