"""Build the events of the golden files with the current code. `python -m tests.contract.made` adds new files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from stripwatch.worker.coils.grading.alarms import AlarmKey
from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.line.acknowledgement import ACKNOWLEDGEMENT_SCHEMA, Acknowledgement
from stripwatch.worker.contracts.line.camera_state import CAMERA_SCHEMA, CameraState, HeldCondition, NewestFrame
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame, Skipped
from tests.worker.coils.samples import defect, observation
from tests.worker.pipeline.samples import CAMERAS, MODEL, prediction

GOLDEN = Path(__file__).with_name("golden")
_FRAME: dict[str, Any] = {"coil": "C4711", "line": "/plant/hot-rolling/line-1", "received_s": 100.0}


def made_events() -> dict[str, Result | Reject | CoilSummary | Acknowledgement | CameraState]:
    """Return the events by file name, which starts with the name of the schema."""
    maker = EventBuilder(CAMERAS)
    known = prediction((0.1, 0.9), strip_position_mm=120_000, **_FRAME)
    running = replace(MODEL, info=msgspec.structs.replace(MODEL.info, provider="CPUExecutionProvider"))
    shown = replace(known, model=running)
    novelty_info = msgspec.structs.replace(running.info, novelty_threshold=3.0)
    watchful = replace(running, info=novelty_info, policy=replace(running.policy, novelty_threshold=3.0))
    novel = replace(known, model=watchful, novelty=4.75)
    refusal = RejectedFrame(
        known.frame, MODEL, FrameRejected(RejectReason.TRUNCATED, "the file ends after 5 of 9 bytes")
    )
    first = observation(0, 0, 800, verdict="defect", defects=(defect(100, 300, (10, 40)),))
    log = CoilAggregate(first)
    log.add(observation(1, 900, 1700))
    log.add(observation(2, 1600, state="rejected", verdict=None, camera="bottom-1"))
    graded = CoilAggregate(first, grading=GradingRules({"scratches": "critical"}))
    return {
        "result-1-defect": maker.result(known, now_s=100.0162),
        "result-1-clean": maker.result(prediction((0.9, 0.1), strip_position_mm=None, **_FRAME), now_s=100.01),
        "result-1-evidence": msgspec.structs.replace(maker.result(shown, now_s=100.0162), evidence=True),
        "result-1-novel": maker.result(novel, now_s=100.0162),
        "result-1-skipped": maker.skipped(Skipped(known.frame, MODEL), now_s=100.002),
        "reject-1-truncated": maker.reject(refusal),
        "coil-1-ended": log.summary("next-coil"),
        "coil-1-alarm": graded.summary("next-coil"),
        "acknowledgement-1-alarm": _acknowledgement(),
        "camera-1-rejecting": _camera_state(),
    }


def _acknowledgement() -> Acknowledgement:
    key = AlarmKey("/plant/hot-rolling/line-1", "C4711", "defects", "pits")
    return Acknowledgement(
        schema=ACKNOWLEDGEMENT_SCHEMA,
        alarm_id=key.alarm_id(step=1),
        line=key.line,
        coil=key.coil,
        coil_id="coil-8d5c8b0f4d0d9f5e0a1b2c3d",
        rule="defects",
        label=key.label,
        step=1,
        value=12.5,
        limit=5.0,
        unit="frames_per_100_m",
        by="A. Shift",
        at="2026-11-23T02:04:11.502Z",
    )


def _camera_state() -> CameraState:
    return CameraState(
        schema=CAMERA_SCHEMA,
        camera="top-1",
        line="/plant/hot-rolling/line-1",
        stated_at="2027-01-15T08:00:00.000Z",
        interval_s=10,
        conditions=[HeldCondition("rejecting", "2027-01-15T07:59:41.000Z")],
        unchecked=["blurred"],
        since="2027-01-15T07:59:41.000Z",
        statistics={"brightness": 127.5},
        distances={},
        scores={"confidence": 0.9},
        window_s=60,
        frames=100,
        rejects={"truncated": 30},
        frame=NewestFrame("2027-01-15T07:59:59.900Z", "inspection.frames", 1, 41),
        model=MODEL.info,
        worker="host-0",
    )


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, event in made_events().items():
        path = GOLDEN / f"{name}.json"
        if not path.exists():  # golden events never change
            path.write_bytes(msgspec.json.format(msgspec.json.encode(event)) + b"\n")
