"""Events as downstream teams read them."""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.config.plant_sections import Camera
from stripwatch.worker.contracts.events import Box, Result
from stripwatch.worker.contracts.frame_info import StripSpan
from stripwatch.worker.model.bundle import CellGrid
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder, frame_info, strip_span
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame, Skipped
from tests.frames import make_frame
from tests.models import make_model
from tests.worker.pipeline.samples import CAMERAS, MODEL, prediction


def test_reports_a_defect_for_each_of_its_boxes() -> None:
    """Two of 2x8 cells exceed the threshold: pits at the left end, 200 px wide, and near the right end, 600 px wide."""
    heatmaps = np.zeros((2, 8, 2), np.float32)
    heatmaps[:, [0, 4, 5, 6], 1] = 1
    reader = HeatmapDecoder("place", CellGrid((15.5, 15.5), (32.0, 32.0)), 0.5, height_px=64, width_px=256)
    model = make_model(heatmap_decoder=reader)
    seen = replace(prediction((0.1, 0.9), strip_position_mm=1000), model=model, heatmaps=heatmaps)
    event = EventBuilder(CAMERAS).result(seen, now_s=1.0)
    boxes = sorted(defect.box_px.x for defect in event.defects if defect.box_px)
    assert boxes == pytest.approx([0, 800], abs=7)
    widths = sorted(defect.box_px.width for defect in event.defects if defect.box_px)
    assert widths == pytest.approx([200, 600], abs=7)
    assert {(defect.label, defect.score) for defect in event.defects} == {("pits", 0.9)}
    spans = sorted((defect.strip_mm.start, defect.strip_mm.end) for defect in event.defects if defect.strip_mm)
    assert [edge for span in spans for edge in span] == pytest.approx([1000, 1100, 1400, 1700], abs=4)


def test_does_not_read_the_heatmaps_of_a_clean_frame() -> None:
    """Reading these heatmaps fails."""
    reader = HeatmapDecoder("place", CellGrid((15.5, 15.5), (32.0, 32.0)), 0.5, height_px=64, width_px=256)
    unreadable = np.zeros((2, 2), np.float32)  # without the axis of the labels
    maker, model = EventBuilder(CAMERAS), make_model(heatmap_decoder=reader)
    assert maker.result(replace(prediction((0.9, 0.1)), model=model, heatmaps=unreadable), now_s=1.0).defects == []
    with pytest.raises(Exception, match=r"."):
        maker.result(replace(prediction((0.1, 0.9)), model=model, heatmaps=unreadable), now_s=1.0)


def test_a_result_contains_labels_boxes_times_and_the_model() -> None:
    frame: dict[str, Any] = {"coil": "C1", "line": "/p/l", "strip_position_mm": 120_000, "received_s": 100.0}
    event = EventBuilder(CAMERAS).result(prediction((0.1, 0.9), **frame), now_s=100.0162)
    found = msgspec.json.decode(msgspec.json.encode(event))
    assert found == {
        "schema": "stripwatch.result/1",
        "id": event.id,
        "state": "inspected",
        "verdict": "defect",
        "label": "pits",
        "score": 0.9,
        "scores": {"clean": 0.1, "pits": 0.9},
        "defects": [
            {
                "label": "pits",
                "score": 0.9,
                "box_px": None,
                "strip_mm": {"start": 120_000, "end": 120_800},
                "width_mm": None,
                "left_edge_mm": None,
                "right_edge_mm": None,
            }
        ],
        "frame": {
            "camera": "top-1",
            "line": "/p/l",
            "coil": "C1",
            "captured_at": "2023-11-14T22:13:20.000Z",
            "strip_position_mm": 120_000,
            "side": "top",
            "lane_offset_mm": 200.0,
            "width_px": 1600,
            "height_px": 256,
            "topic": "frames",
            "partition": 0,
            "offset": 5,
            "file": None,
            "strip_mm": {"start": 120_000, "end": 120_800},
            "replay_of": None,
            "block_id": None,
            "strip_direction": None,
        },
        "model": {"name": "neu", "version": "3", "sha256": "f" * 64, "thresholds": "bundle", "provider": None}
        | {"no_defect": None, "task": None, "novelty_threshold": None},
        "timing_ms": {"decode": 1.1, "queue": 4.0, "inference": 9.7, "total": 16.2},
        "evidence": None,
        "flags": [],
        "reason": None,
        "novelty": None,
        "candidates": [],
    }


@pytest.mark.parametrize("frame", [{"strip_position_mm": None}, {"strip_position_mm": 5, "camera": "unknown"}])
def test_millimetres_are_null_if_unknown(frame: dict[str, Any]) -> None:
    event = EventBuilder(CAMERAS).result(prediction((0.1, 0.9), **frame), 0.0)
    assert event.defects[0].strip_mm is None
    assert event.frame.strip_mm is None


@pytest.mark.parametrize(
    ("head_edge", "scan", "direction", "span"),
    [
        ("left", "line", None, (1050, 1150)),
        ("left", "line", "forward", (1050, 1150)),
        ("left", "line", "reverse", (1650, 1750)),
        ("right", "line", None, (1650, 1750)),
        ("right", "line", "forward", (1650, 1750)),
        ("right", "line", "reverse", (1050, 1150)),
        ("left", "area", "reverse", (1050, 1150)),
        ("right", "area", "reverse", (1650, 1750)),
    ],
)
def test_strip_span_depends_on_mount_and_strip_direction(
    head_edge: Any, scan: Any, direction: Any, span: tuple[int, int]
) -> None:
    """1600 px of 0.5 mm from 1000 mm on, and a box from px 100 to 300. The frame shows the same strip in each case."""
    camera = Camera(mm_per_px=0.5, head_edge=head_edge, scan=scan)
    frame = make_frame(5, strip_position_mm=1000, strip_direction=direction)
    assert strip_span(frame, 1600, Box(100, 0, 200, 10), camera) == StripSpan(*span)
    assert strip_span(frame, 1600, None, camera) == StripSpan(1000, 1800)
    assert frame_info(frame, 1600, 256, camera).strip_direction == direction


def test_an_unsure_result_states_its_reason_and_the_novelty_score() -> None:
    policy = replace(MODEL.policy, novelty_threshold=3.0)
    info = msgspec.structs.replace(MODEL.info, novelty_threshold=3.0)
    seen = replace(prediction((0.1, 0.9)), model=make_model(policy=policy, info=info), novelty=4.7512345678)
    event = EventBuilder(CAMERAS).result(seen, 0.0)
    assert (event.verdict, event.reason, event.novelty, event.defects) == ("unsure", "novel", 4.75123, [])
    assert event.model.novelty_threshold == 3.0
    assert msgspec.json.decode(msgspec.json.encode(event))["reason"] == "novel"
    known = EventBuilder(CAMERAS).result(replace(seen, novelty=2.0), 0.0)
    assert (known.verdict, known.reason, known.novelty) == ("defect", None, 2.0)


def test_a_clean_frame_has_no_defects() -> None:
    event = EventBuilder({}).result(prediction((0.9, 0.1)), 0.0)
    assert (event.verdict, event.label, event.defects) == ("clean", "clean", [])


def test_a_file_has_no_position() -> None:
    event = EventBuilder({}).result(prediction((0.9, 0.1), file="a/b.jpg"), 0.0)
    assert (event.frame.file, event.frame.topic, event.frame.offset) == ("a/b.jpg", None, None)


def test_a_reject_has_reason_and_detail() -> None:
    refusal = RejectedFrame(make_frame(5), MODEL, FrameRejected(RejectReason.TRUNCATED, "half of it"))
    reject = EventBuilder({}).reject(refusal)
    assert (reject.reason, reject.detail, reject.frame.offset) == ("truncated", "half of it", 5)


def test_a_skipped_frame_has_no_verdict_and_names_its_model() -> None:
    event = EventBuilder(CAMERAS).event(Skipped(make_frame(5, received_s=1.0), MODEL), now_s=1.5)
    assert isinstance(event, Result)
    assert (event.state, event.verdict, event.label, event.score) == ("skipped", None, None, None)
    assert (event.scores, event.defects) == ({}, [])
    assert (event.model, event.frame.offset, event.frame.width_px) == (MODEL.info, 5, None)
    assert event.timing_ms.total == 500


@given(st.floats(0, 1), st.floats(0, 1))
def test_events_round_trip_through_json(a: float, b: float) -> None:
    event = EventBuilder(CAMERAS).result(prediction((a, b), strip_position_mm=7), 1e9)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Result) == event


def test_boxes_and_spans_have_their_documented_field_names() -> None:
    assert msgspec.json.encode(Box(1, 2, 3, 4)) == b'{"x":1,"y":2,"width":3,"height":4}'
    assert msgspec.json.encode(StripSpan(1, 2)) == b'{"start":1,"end":2}'
