"""Compatibility with the CloudEvents SDK: it reads our events, and the worker reads frames that it writes."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

from stripwatch.worker.coils.summarizer import coil_headers
from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.frame_headers import Headers, event_headers
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder, review_headers
from stripwatch.worker.simulator.cameras import CapturedFrame, SourceImage
from tests.contract.made import made_events
from tests.models import make_model
from tests.tiny import encode_frame
from tests.worker.pipeline.samples import prediction

IMAGE = encode_frame(0.5)
CAPTURED = datetime(2026, 11, 23, 2, 0, 0, 123_000, UTC)
OF_THE_FRAME: dict[str, Any] = {
    "specversion": "1.0",
    "source": "/plant/line%201/c%C3%A4m",
    "subject": "Bund Ä 1",
    "time": CAPTURED,
    "strippositionmm": "-7",
    "stripdirection": "reverse",
    "partitionkey": "cäm",
}


def parse(key: bytes | None, value: bytes, headers: Headers) -> tuple[dict[str, Any], Any]:
    """Return attributes and data of a record, as the SDK reads it."""
    event = from_binary_event(KafkaMessage(dict(headers), key, value))
    return event.get_attributes(), event.get_data()


def test_the_sdk_reads_results_defects_and_shadow_results() -> None:
    made = prediction((0.1, 0.9), **_frame_fields())
    event = EventBuilder({}).result(made, now_s=100.0)
    result, defect = RecordBuilder(Topics(), 1000).build(event, made.frame)
    shadow = result._replace(headers=event_headers(made.frame, "shadow"))
    for kind, ending, record in (("result", "", result), ("defect", "-defect", defect), ("shadow", "-shadow", shadow)):
        of_the_record = {"id": made.frame.id + ending, "type": f"stripwatch.{kind}.v1"}
        assert parse(record.key, record.body, record.headers) == (
            OF_THE_FRAME | of_the_record | {"datacontenttype": "application/json"},
            json.loads(msgspec.json.encode(event)),
        )


def test_the_sdk_reads_events_with_the_bytes_of_a_frame() -> None:
    made = prediction((0.6, 0.4), **_frame_fields())
    frame, result = made.frame, EventBuilder({}).result(made, now_s=100.0)
    refusal = RejectedFrame(frame, make_model(), FrameRejected(RejectReason.DAMAGED, "cut"))
    (reject,) = RecordBuilder(Topics(), 10**6).build(EventBuilder({}).reject(refusal), frame)
    review = review_headers(result, frame)
    evidence = event_headers(frame, "evidence", "image/jpeg")
    for kind, ending, content_type, headers in (
        ("reject", "", "application/octet-stream", reject.headers),
        ("review", "-review", "image/png", review),
        ("evidence", "-evidence", "image/jpeg", evidence),
    ):
        of_the_record = {"id": frame.id + ending, "type": f"stripwatch.{kind}.v1", "datacontenttype": content_type}
        assert parse("cäm".encode(), reject.body, headers) == (OF_THE_FRAME | of_the_record, IMAGE)


def test_the_sdk_reads_coil_summaries() -> None:
    summary = made_events()["coil-1-ended"]
    assert isinstance(summary, CoilSummary)
    for revision, identity in ((1, summary.id), (3, f"{summary.id}-3")):
        body = msgspec.json.encode(msgspec.structs.replace(summary, revision=revision))
        headers = coil_headers(msgspec.json.decode(body, type=CoilSummary), None)
        attributes, data = parse((summary.line or "").encode(), body, headers)
        assert data == json.loads(body)
        assert attributes == {
            "specversion": "1.0",
            "id": identity,
            "source": summary.line,
            "type": "stripwatch.coil.v1",
            "time": datetime.fromisoformat(summary.last_captured_at),
            "subject": summary.coil,
            "datacontenttype": "application/json",
            "partitionkey": summary.line,
        }


def test_the_sdk_reads_the_frames_of_a_simulated_line() -> None:
    captured = CapturedFrame(SourceImage(IMAGE, "image/png"), "top-1", "C1", 250, CAPTURED, "run-3")
    assert parse(captured.camera.encode(), IMAGE, captured.headers()) == (
        {
            "specversion": "1.0",
            "id": "run-3",
            "source": "/plant/hot-rolling/line-1/top-1",
            "type": "stripwatch.frame.v1",
            "time": CAPTURED,
            "subject": "C1",
            "datacontenttype": "image/png",
            "strippositionmm": "250",
            "partitionkey": "top-1",
        },
        IMAGE,
    )


@pytest.mark.parametrize("source", [OF_THE_FRAME["source"], "/plant/line 1/cäm"])
@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=-5, minutes=-30))])
@pytest.mark.parametrize("key", ["cäm", None])
def test_the_worker_reads_frames_written_by_the_sdk(source: str, zone: timezone, key: str | None) -> None:
    stated = {"source": source, "time": CAPTURED.astimezone(zone), "strippositionmm": -7, "blockid": 2**53 - 1}
    stated |= {"partitionkey": key} if key else {}
    frame = _read(to_binary_event(_event(OF_THE_FRAME | {"partitionkey": None} | stated)))
    assert (frame.camera, frame.line, frame.coil) == ("cäm", "/plant/line 1", "Bund Ä 1")
    assert (frame.strip_position_mm, frame.strip_direction, frame.block_id) == (-7, "reverse", 2**53 - 1)
    assert (frame.captured_ms, frame.encoded, frame.faults) == (round(CAPTURED.timestamp() * 1000), IMAGE, ())


def test_rejects_a_frame_in_structured_mode_with_a_reason() -> None:
    """The camera of such a frame is unknown, unless it is the record's key."""
    frame = _read(to_structured_event(_event(OF_THE_FRAME)))
    assert frame.camera == "cäm"
    with pytest.raises(FrameRejected, match="JSON files are not supported") as caught:
        read_header(frame.encoded)
    assert caught.value.reason == RejectReason.UNSUPPORTED_FORMAT


def _frame_fields() -> dict[str, Any]:
    frame = _read(to_binary_event(_event(OF_THE_FRAME)))
    names = ("encoded", "camera", "line", "coil", "source", "captured_ms", "strip_position_mm", "strip_direction")
    return {name: getattr(frame, name) for name in names}


def _event(attributes: dict[str, Any]) -> CloudEvent:
    known = {"id": "7", "type": "stripwatch.frame.v1", "datacontenttype": "image/png"}
    return CloudEvent({name: value for name, value in (known | attributes).items() if value is not None}, IMAGE)


def _read(message: KafkaMessage) -> Frame:
    key = message.key.encode() if isinstance(message.key, str) else message.key
    record = Record(Position("frames", 0, 5), 1_795_000_000_000, key, message.value, list(message.headers.items()))
    return read_record(record, "cluster", received_s=100.0, now_ms=1_795_400_000_000)
