"""Sample predictions, results and rejects, made without running a model."""

from typing import Any

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.config.plant_sections import Camera
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction, RejectedFrame
from tests.frames import make_frame
from tests.models import make_model

MODEL = make_model()
EVENTS = EventBuilder({})
CAMERAS = {"top-1": Camera(mm_per_px=0.5, side="top", lane_offset_mm=200)}


def prediction(scores: tuple[float, ...], **frame: Any) -> Prediction:
    return Prediction(make_frame(5, **frame), MODEL, 1600, 256, scores, 0.0011, 0.004, 0.0097)


def result(frame: Frame, defect: bool) -> Result:
    scores = (0.1, 0.9) if defect else (0.9, 0.1)
    return EVENTS.result(Prediction(frame, MODEL, 10, 10, scores, 0.0, 0.0, 0.0), 0.0)


def reject(frame: Frame) -> Reject:
    return EVENTS.reject(RejectedFrame(frame, MODEL, FrameRejected(RejectReason.TRUNCATED, "half")))
