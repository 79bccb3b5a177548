"""What downstream reads: result, defect and reject events. Fields may be added, never changed (DESIGN section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from stripwatch.worker.config.sections import Camera
from stripwatch.worker.contracts.events import (
    REJECT_SCHEMA,
    RESULT_SCHEMA,
    Box,
    Defect,
    FrameInfo,
    Reject,
    Result,
    StripSpan,
    TimingMs,
)
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, RejectedFrame, Skipped


@dataclass(frozen=True, slots=True)
class EventBuilder:
    """Turns outcomes into events, by the model of each and what is known of each camera."""

    cameras: Mapping[str, Camera]

    def event(self, outcome: FrameOutcome, now_s: float) -> Result | Reject:
        """now_s: of the monotonic clock."""
        if isinstance(outcome, Prediction):
            return self.result(outcome, now_s)
        return self.skipped(outcome, now_s) if isinstance(outcome, Skipped) else self.reject(outcome)

    def result(self, prediction: Prediction, now_s: float) -> Result:
        frame, model = prediction.frame, prediction.model
        width_px, height_px = prediction.width_px, prediction.height_px
        seen = model.interpret(prediction.scores, prediction.heatmaps, width_px, height_px, prediction.flags)
        camera = self.cameras.get(frame.camera)
        return Result(
            schema=RESULT_SCHEMA,
            id=frame.id,
            state="inspected",
            verdict=seen.verdict,
            label=seen.label,
            score=seen.score,
            scores=seen.scores,
            defects=[
                Defect(defect.label, defect.score, defect.box_px, strip_span(frame, width_px, defect.box_px, camera))
                for defect in seen.defects
            ],
            frame=frame_info(frame, width_px, height_px, camera),
            model=model.info,
            timing_ms=_timing(prediction, prediction.inference_s, now_s),
            flags=seen.flags,
        )

    def skipped(self, skipped: Skipped, now_s: float) -> Result:
        """Nothing was seen, so nothing is said; the model is the one that would have looked."""
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
            timing_ms=_timing(skipped, 0.0, now_s),
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
    """Of a box, else of the whole frame. The strip runs along the width of the image."""
    start = frame.strip_position_mm
    if start is None or width_px is None or camera is None or camera.mm_per_px is None:
        return None
    first_px, last_px = (0, width_px) if box is None else (box.x, box.x + box.width)
    if _head_is_right(frame, camera):
        first_px, last_px = width_px - last_px, width_px - first_px
    return StripSpan(start + round(first_px * camera.mm_per_px), start + round(last_px * camera.mm_per_px))


def _head_is_right(frame: Frame, camera: Camera) -> bool:
    """Whether the right edge of the image shows the place nearer the head of the strip.

    A line-scan camera takes column after column while the strip passes, so what it takes of a strip that runs backwards
    is mirrored. An area-scan camera takes all at once.
    """
    mirrored = camera.scan == "line" and frame.strip_direction == "reverse"
    return (camera.head_edge == "right") != mirrored


def _timing(outcome: Prediction | Skipped, inference_s: float, now_s: float) -> TimingMs:
    return TimingMs(
        decode=_ms(outcome.decode_s),
        queue=_ms(outcome.queue_s),
        inference=_ms(inference_s),
        total=_ms(now_s - outcome.frame.received_s),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
