"""Example records for the reference, made by the code that makes those of a worker."""

from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np

from stripwatch.worker.coils.grading.alarms import AlarmKey
from stripwatch.worker.coils.summarizer import coil_headers
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.observations import observation_from_result
from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.config.plant_sections import Camera
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts import topics
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.events import Box, ModelInfo, Reject, Result, TimingMs, UnsureReason
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.frame_headers import Headers, event_headers
from stripwatch.worker.contracts.line.acknowledgement import (
    ACKNOWLEDGEMENT_SCHEMA,
    Acknowledgement,
    acknowledgement_headers,
)
from stripwatch.worker.contracts.line.camera_state import (
    CAMERA_SCHEMA,
    CameraState,
    HeldCondition,
    NewestFrame,
    camera_state_headers,
)
from stripwatch.worker.contracts.line.correction import Correction, correction_headers
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.replay_mark import replay_mark_headers
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.model.inspection import DetectedDefect, Inspection
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder, review_headers
from stripwatch.worker.simulator.scene import encode_jpeg

CAMERA, LINE, COIL = "top-1", "/plant/hot-rolling/line-1", "C4711"
_CAPTURED_MS = parse_rfc3339("2026-11-23T02:00:00.123Z")
_MODEL = ModelInfo("plant-a", "7", "5f1b0c7e" * 8, "bundle", "CPUExecutionProvider", "clean", novelty_threshold=3.18)
_JPEG = encode_jpeg(np.full((256, 1600), 128, np.uint8))
_CUT_JPEG = _JPEG[:4]
_BUILDER = EventBuilder({CAMERA: Camera(mm_per_px=0.5, side="top", lane_offset_mm=200)})

_CORRECTED = Correction("not_a_defect", "clean", "A. Shift", "2026-11-23T02:05:00.123Z", "defect")
_ALARM = AlarmKey(LINE, COIL, "defects", "pits")
_ACKNOWLEDGED = Acknowledgement(
    schema=ACKNOWLEDGEMENT_SCHEMA,
    alarm_id=_ALARM.alarm_id(step=1),
    line=LINE,
    coil=COIL,
    coil_id="coil-8d5c8b0f4d0d9f5e0a1b2c3d",
    rule="defects",
    label="pits",
    step=1,
    value=12.5,
    limit=5,
    unit="frames_per_100_m",
    by="A. Shift",
    at="2026-11-23T02:04:11.502Z",
)


@dataclass(frozen=True, slots=True)
class Example:
    """A record on Kafka. body: of an event; None where the value is an image, or empty."""

    key: str
    headers: Headers
    body: Result | Reject | CoilSummary | Acknowledgement | CameraState | None = None

    @property
    def json(self) -> str:
        return msgspec.json.format(msgspec.json.encode(self.body), indent=2).decode()


def frame(number: int = 0, encoded: bytes = _JPEG) -> Frame:
    """Return a frame of a camera that sends every header of an image file."""
    headers: dict[str, object] = {
        "ce_specversion": "1.0",
        "ce_id": f"{CAMERA}-{41 + number:06d}",
        "ce_source": f"{LINE}/{CAMERA}",
        "ce_type": "stripwatch.frame.v1",
        "ce_time": f"2026-11-23T02:00:{number:02d}.123Z",
        "ce_subject": COIL,
        "content-type": "image/jpeg",
        "ce_strippositionmm": 120_000 + 800 * number,
        "ce_stripdirection": "forward",
        "ce_blockid": 41 + number,
    }
    texts = [(name, str(value).encode()) for name, value in headers.items()]
    sent_ms = _CAPTURED_MS + 1000 * number + 25
    record = Record(Position(topics.FRAMES, 2, 41 + number), sent_ms, CAMERA.encode(), encoded, texts)
    return read_record(record, "MkU3OEVBNTcwNTJENDM2Qk", received_s=0.0, now_ms=sent_ms + 10)


def _inspection(pits: float, box: Box | None = None, novelty: float = 1.12408) -> Inspection:
    label, score = ("pits", pits) if pits >= 0.5 else ("clean", 1 - pits)
    defects = (DetectedDefect("pits", pits, box),) if box else ()
    reason = UnsureReason.SCORE if not defects and pits >= 0.3 else None
    verdict = "defect" if defects else "unsure" if reason else "clean"
    scores = {"clean": round(1 - pits, 6), "pits": pits}
    return Inspection(cast(Any, verdict), label, score, scores, defects, 1600, 256, reason=reason, novelty=novelty)


def _result(number: int, inspection: Inspection) -> Result:
    return _BUILDER.inspected(frame(number), _MODEL, inspection, TimingMs(3.912, 1.204, 9.73, 16.228))


DEFECT = msgspec.structs.replace(_result(0, _inspection(0.913402, Box(412, 96, 130, 58))), evidence=True)
UNSURE = _result(1, _inspection(0.447781))
REJECT = _BUILDER.reject(
    RejectedFrame(
        frame(2, _CUT_JPEG), cast(Any, None), FrameRejected(RejectReason.TRUNCATED, "the file ends after 4 bytes")
    )
)


def examples() -> dict[str, Example]:
    """Return one record of each kind of message, by the names of the AsyncAPI document."""
    records = RecordBuilder(Topics(), reject_bytes_max=1_000_000)
    result, defect = records.build(DEFECT, frame(0))
    (reject,) = records.build(REJECT, frame(2, _CUT_JPEG))
    coil, state = _coil(), _camera_state()
    return {
        "frame": Example(CAMERA, list(frame(0).headers or ())),
        "result": Example(CAMERA, result.headers, DEFECT),
        "defect": Example(CAMERA, defect.headers, DEFECT),
        "reject": Example(CAMERA, reject.headers),
        "replay_mark": Example(CAMERA, replay_mark_headers(REJECT.id)),
        "evidence": Example(DEFECT.id, event_headers(frame(0), "evidence", "image/jpeg")),
        "review": Example(CAMERA, review_headers(UNSURE, frame(1))),
        "correction": Example(
            CAMERA, correction_headers(_CORRECTED, DEFECT.id, review_headers(DEFECT, frame(0), "correction"))
        ),
        "shadow": Example(CAMERA, event_headers(frame(1), "shadow"), UNSURE),
        "coil": Example(LINE, coil_headers(coil, LINE), coil),
        "acknowledgement": Example(_ACKNOWLEDGED.alarm_id, acknowledgement_headers(_ACKNOWLEDGED), _ACKNOWLEDGED),
        "camera": Example(CAMERA, camera_state_headers(state), state),
    }


def _camera_state() -> CameraState:
    return CameraState(
        schema=CAMERA_SCHEMA,
        camera=CAMERA,
        line=LINE,
        stated_at="2026-11-23T02:05:10.402Z",
        interval_s=10,
        conditions=[
            HeldCondition(
                "blurred",
                "2026-11-23T02:04:31.398Z",
                "sharpness 0.008, limit below 0.011: this model fails from out of focus 2 (standard deviation of the "
                "blur in px)",
            )
        ],
        unchecked=[],
        since="2026-11-23T02:04:31.398Z",
        statistics={"brightness": 121.4, "contrast": 22.9, "sharpness": 0.008, "noise": 1.12},
        distances={"brightness": -0.11, "contrast": -0.42, "sharpness": -1.94, "noise": -1.2},
        scores={"confidence": 0.962, "unsure": 0.013},
        window_s=60,
        frames=1795,
        rejects={"truncated": 3},
        frame=NewestFrame("2026-11-23T02:05:10.318Z", topics.FRAMES, 2, 9340),
        model=_MODEL,
        worker="line-1-host-3-0",
    )


def _coil() -> CoilSummary:
    first, *later = (
        observation_from_result(result, _CAPTURED_MS + 60_000)
        for result in (DEFECT, UNSURE, _result(2, _inspection(0.02)))
    )
    assert first is not None
    aggregate = CoilAggregate(first)
    for observation in later:
        assert observation is not None
        aggregate.add(observation)
    return aggregate.summary("next-coil")
