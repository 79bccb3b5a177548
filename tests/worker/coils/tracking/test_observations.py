from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.observations import (
    observation_from_record,
    observation_from_reject,
    observation_from_result,
    read_result,
)
from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import Box, FrameFlag, UnsureReason
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.contracts.frame_info import StripSpan
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import reject_headers
from tests.frames import make_frame
from tests.worker.coils.samples import result
from tests.worker.pipeline.samples import CAMERAS, MODEL, prediction

NOW_MS = 1_800_000_000_000


def test_reads_position_and_defects_from_a_result() -> None:
    seen = observation_from_result(result(coil="C1", line="/p/l", strip_position_mm=1000), NOW_MS)
    assert seen is not None
    assert (seen.line, seen.coil, seen.camera, seen.state) == ("/p/l", "C1", "top-1", "inspected")
    assert (seen.position_mm, seen.span_mm) == (1000, StripSpan(1000, 1800))
    assert [(defect.label, defect.strip_mm, defect.parts) for defect in seen.defects] == [
        ("pits", StripSpan(1000, 1800), 1)
    ]


def test_defect_without_a_position_is_counted() -> None:
    seen = observation_from_result(result(camera="unknown"), NOW_MS)
    assert seen is not None
    assert (seen.defects, seen.unplaced, seen.span_mm) == ((), ("pits",), None)


def test_capture_time_after_the_record_time_is_ignored() -> None:
    seen = observation_from_result(result(captured_ms=NOW_MS + 86_400_000), NOW_MS)
    assert seen is not None
    assert seen.captured_ms == NOW_MS


def test_skipped_frame_covers_nothing() -> None:
    event = msgspec.structs.replace(result(strip_position_mm=5), state="skipped", verdict=None, defects=[])
    seen = observation_from_result(event, NOW_MS)
    assert seen is not None
    assert (seen.state, seen.span_mm, seen.position_mm) == ("skipped", None, 5)


@pytest.mark.parametrize("value", [None, b"", b"{}", b"[1]", b"\xff", b"{" * 10_000])
def test_value_that_is_not_a_result_gives_none(value: bytes | None) -> None:
    assert read_result(value) is None


def test_invalid_time_gives_none() -> None:
    event = result()
    wrong = msgspec.structs.replace(event, frame=msgspec.structs.replace(event.frame, captured_at="soon"))
    assert observation_from_result(wrong, NOW_MS) is None


def test_reads_a_reject_from_its_headers() -> None:
    frame = replace(make_frame(5), line="/pl ant/l", coil="C1", strip_position_mm=700, strip_direction="reverse")
    reject = EventBuilder(CAMERAS).reject(RejectedFrame(frame, MODEL, FrameRejected(RejectReason.EMPTY, "")))
    seen = observation_from_reject(b"top-1", reject_headers(reject, frame, 0), NOW_MS)
    assert seen is not None
    assert (seen.id, seen.line, seen.coil, seen.camera) == (frame.id, "/pl ant/l", "C1", "top-1")
    assert (seen.state, seen.position_mm, seen.captured_ms) == ("rejected", 700, frame.captured_ms)
    assert seen.direction == "reverse"


@pytest.mark.parametrize("position", [10**12 + 1, 2**53, 2**70, -(2**63)])
def test_ignores_a_position_outside_the_range_of_the_header(position: int) -> None:
    """Any client may write events, and JSON allows numbers beyond 64 bits."""
    event = result(strip_position_mm=0)
    frame = msgspec.structs.replace(event.frame, strip_position_mm=position)
    seen = observation_from_result(msgspec.structs.replace(event, frame=frame), NOW_MS)
    assert seen is not None
    assert (seen.position_mm, seen.span_mm, seen.defects, seen.unplaced) == (None, None, (), ("pits",))
    assert CoilAggregate(seen).summary().length_mm is None


@pytest.mark.parametrize("span", [StripSpan(10**15, 10**15 + 9), StripSpan(400, 300), StripSpan(-300, 100)])
def test_defect_outside_its_frame_has_no_position(span: StripSpan) -> None:
    event = result(strip_position_mm=0)
    defects = [msgspec.structs.replace(defect, strip_mm=span) for defect in event.defects]
    seen = observation_from_result(msgspec.structs.replace(event, defects=defects), NOW_MS)
    assert seen is not None
    assert (seen.position_mm, seen.defects, seen.unplaced) == (0, (), ("pits",))


@pytest.mark.parametrize("box", [Box(0, 2**70, 10, 10), Box(0, -(2**70), 10, 10), Box(0, 10, 10, 2**80)])
def test_box_with_impossible_rows_spans_the_whole_width(box: Box) -> None:
    event = result(strip_position_mm=0)
    defects = [msgspec.structs.replace(defect, box_px=box) for defect in event.defects]
    seen = observation_from_result(msgspec.structs.replace(event, defects=defects), NOW_MS)
    assert seen is not None
    assert [defect.across_px for defect in seen.defects] == [None]
    assert CoilAggregate(seen).summary().defects == {"pits": 1}


@pytest.mark.parametrize("span", [StripSpan(10**15, 10**15 + 9), StripSpan(800, 0)])
def test_frame_whose_span_contradicts_its_position_has_none(span: StripSpan) -> None:
    event = result(strip_position_mm=0)
    frame = msgspec.structs.replace(event.frame, strip_mm=span)
    seen = observation_from_result(msgspec.structs.replace(event, frame=frame), NOW_MS)
    assert seen is not None
    assert (seen.position_mm, seen.span_mm, seen.unplaced) == (None, None, ("pits",))


def test_record_without_an_id_is_not_a_reject() -> None:
    assert observation_from_reject(b"top-1", [("ce_id", None)], NOW_MS) is None


def test_ignores_a_time_of_1970_from_an_older_worker() -> None:
    seen = observation_from_result(result(captured_ms=1_795_889), NOW_MS)
    assert seen is not None
    assert seen.captured_ms == NOW_MS
    frame = make_frame(5, captured_ms=1_795_889)
    reject = EventBuilder(CAMERAS).reject(RejectedFrame(frame, MODEL, FrameRejected(RejectReason.EMPTY, "")))
    refused = observation_from_reject(b"top-1", reject_headers(reject, frame, 0), NOW_MS)
    assert refused is not None
    assert refused.captured_ms == NOW_MS


def test_reads_the_line_from_ce_source() -> None:
    frame = make_frame(5, line="/p/line 1", source="/p/line%201/top-1", coil="C1")
    event = EventBuilder(CAMERAS).result(prediction((0.1, 0.9), line="/p/line 1"), 0.0)
    reject = EventBuilder(CAMERAS).reject(RejectedFrame(frame, MODEL, FrameRejected(RejectReason.EMPTY, "")))
    records = [
        SimpleNamespace(
            topic="results",
            key=b"top-1",
            value=msgspec.json.encode(event),
            headers=event_headers(frame, "result"),
            timestamp=NOW_MS,
        ),
        SimpleNamespace(
            topic="rejects", key=b"top-1", value=b"", headers=reject_headers(reject, frame, 0), timestamp=NOW_MS
        ),
    ]
    for record in records:
        seen = observation_from_record(record, "rejects")
        assert seen is not None
        assert (seen.line, seen.line_uri) == ("/p/line 1", "/p/line%201")
        assert CoilAggregate(seen).line_uri == "/p/line%201"


def test_reads_the_flags_of_a_result() -> None:
    event = msgspec.structs.replace(result(), verdict="unsure", defects=[], flags=(FrameFlag.SIZE,))
    seen = observation_from_result(event, NOW_MS)
    assert seen is not None
    assert (seen.verdict, seen.flags) == ("unsure", (FrameFlag.SIZE,))


def test_a_novel_frame_has_a_place_and_its_score_relative_to_the_threshold() -> None:
    model = msgspec.structs.replace(MODEL.info, novelty_threshold=4.0)
    found = result(coil="C1", line="/p/l", strip_position_mm=1000)
    found = msgspec.structs.replace(
        found, verdict="unsure", defects=[], reason=UnsureReason.NOVEL, novelty=10.0, model=model
    )
    seen = observation_from_result(found, NOW_MS)
    assert seen is not None
    assert seen.novel is not None
    assert (seen.is_novel, seen.novel.strip_mm, seen.novel.score) == (True, StripSpan(1000, 1800), 2.5)
    assert (seen.defects, seen.unplaced) == ((), ())
    nowhere = observation_from_result(
        msgspec.structs.replace(found, frame=msgspec.structs.replace(found.frame, strip_position_mm=None)), NOW_MS
    )
    assert nowhere is not None
    assert (nowhere.is_novel, nowhere.novel) == (True, None)
    flagged = observation_from_result(msgspec.structs.replace(found, reason=UnsureReason.FLAG), NOW_MS)
    assert flagged is not None
    assert (flagged.is_novel, flagged.novel) == (False, None)
