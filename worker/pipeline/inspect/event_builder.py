"""Builds the events that downstream teams read: results and rejects. Fields may be added, but never changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from stripwatch.worker.config.plant_sections import Camera
from stripwatch.worker.contracts.events import (
    REJECT_SCHEMA,
    RESULT_SCHEMA,
    Box,
    Candidate,
    Defect,
    ModelInfo,
    Reject,
    Result,
    TimingMs,
)
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_info import FrameInfo, StripSpan
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.model.inspection import Inspection
from stripwatch.worker.pipeline.inspect.across_strip import across_strip
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, RejectedFrame, Skipped


@dataclass(frozen=True, slots=True)
class EventBuilder:
    """Turns outcomes into events, using the model of each frame and the settings of each camera."""

    cameras: Mapping[str, Camera]

    def event(self, outcome: FrameOutcome, now_s: float) -> Result | Reject:
        """Build the event of an outcome. now_s: monotonic time."""
        if isinstance(outcome, Prediction):
            return self.result(outcome, now_s)
        return self.skipped(outcome, now_s) if isinstance(outcome, Skipped) else self.reject(outcome)

    def result(self, prediction: Prediction, now_s: float) -> Result:
        frame, model = prediction.frame, prediction.model
        inspection = model.interpret(
            prediction.scores,
            prediction.heatmaps,
            prediction.width_px,
            prediction.height_px,
            prediction.flags,
            prediction.novelty,
            prediction.cell_boxes,
        )
        timing = timing_ms(frame, now_s, prediction.decode_s, prediction.queue_s, prediction.inference_s)
        return self.inspected(frame, model.info, inspection, timing)

    def inspected(self, frame: Frame, model: ModelInfo, inspection: Inspection, timing: TimingMs) -> Result:
        camera = self.cameras.get(frame.camera)
        return Result(
            schema=RESULT_SCHEMA,
            id=frame.id,
            state="inspected",
            verdict=inspection.verdict,
            label=inspection.label,
            score=inspection.score,
            scores=inspection.scores,
            defects=[
                Defect(
                    each.label,
                    each.score,
                    each.box_px,
                    strip_span(frame, inspection.width_px, each.box_px, camera),
                    *across_strip(each.box_px, inspection.height_px, camera),
                )
                for each in inspection.defects
            ],
            frame=frame_info(frame, inspection.width_px, inspection.height_px, camera),
            model=model,
            timing_ms=timing,
            flags=inspection.flags,
            reason=inspection.reason,
            novelty=inspection.novelty,
            candidates=tuple(
                Candidate(each.label, each.score, each.box_px) for each in inspection.candidates if each.box_px
            ),
        )

    def skipped(self, skipped: Skipped, now_s: float) -> Result:
        """Build the result of a skipped frame. The model is the one that would have inspected it."""
        frame = skipped.frame
        return Result(
            schema=RESULT_SCHEMA,
            id=frame.id,
            state="skipped",
            verdict=None,
            label=None,
            score=None,
            scores={},
            defects=[],
            frame=frame_info(frame, skipped.width_px, skipped.height_px, self.cameras.get(frame.camera)),
            model=skipped.model.info,
            timing_ms=timing_ms(frame, now_s, skipped.decode_s, skipped.queue_s),
        )

    def reject(self, rejected: RejectedFrame) -> Reject:
        frame, error = rejected.frame, rejected.error
        info = frame_info(frame, None, None, self.cameras.get(frame.camera))
        return Reject(REJECT_SCHEMA, frame.id, error.reason.value, error.detail, info)


def frame_info(frame: Frame, width_px: int | None, height_px: int | None, camera: Camera | None) -> FrameInfo:
    on_kafka = frame.file is None
    return FrameInfo(
        camera=frame.camera,
        line=frame.line,
        coil=frame.coil,
        captured_at=rfc3339(frame.captured_ms),
        strip_position_mm=frame.strip_position_mm,
        side=camera.side if camera else None,
        lane_offset_mm=camera.lane_offset_mm if camera else None,
        width_px=width_px,
        height_px=height_px,
        topic=frame.position.topic if on_kafka else None,
        partition=frame.position.partition if on_kafka else None,
        offset=frame.position.offset if on_kafka else None,
        file=frame.file,
        strip_mm=strip_span(frame, width_px, None, camera),
        replay_of=frame.replay_of,
        block_id=frame.block_id,
        strip_direction=frame.strip_direction,
    )


def strip_span(frame: Frame, width_px: int | None, box: Box | None, camera: Camera | None) -> StripSpan | None:
    """Return the extent of a box along the strip, or of the whole frame without a box.

    The strip runs along the width of the image. Return None if the strip position or the scale is unknown.
    """
    start = frame.strip_position_mm
    if start is None or width_px is None or camera is None or camera.mm_per_px is None:
        return None
    first_px, last_px = (0, width_px) if box is None else (box.x, box.x + box.width)
    if _head_is_right(frame, camera):
        first_px, last_px = width_px - last_px, width_px - first_px
    return StripSpan(start + round(first_px * camera.mm_per_px), start + round(last_px * camera.mm_per_px))


def _head_is_right(frame: Frame, camera: Camera) -> bool:
    """Return whether the right edge of the image is nearer to the head of the strip.

    A line-scan camera records column by column while the strip passes, so its image is mirrored if the strip runs in
    reverse. An area-scan camera records the whole image at once.
    """
    mirrored = camera.scan == "line" and frame.strip_direction == "reverse"
    return (camera.head_edge == "right") != mirrored


def timing_ms(frame: Frame, now_s: float, decode_s: float, queue_s: float = 0.0, inference_s: float = 0.0) -> TimingMs:
    """Return the timing of a frame in milliseconds. The total counts from when the worker received the frame.

    now_s: monotonic time.
    """
    return TimingMs(_ms(decode_s), _ms(queue_s), _ms(inference_s), total=_ms(now_s - frame.received_s))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
