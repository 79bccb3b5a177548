"""What downstream reads: result, defect and reject events. Fields may be added, never changed (DESIGN section 3)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from worker.boxes import Box, MapReader, map_reader
from worker.bundle import Bundle
from worker.frame import Frame, rfc3339
from worker.outcome import Prediction, Refusal
from worker.settings import Camera
from worker.verdict import Judge, Judgement, Verdict

RESULT_SCHEMA = "stripwatch.result/1"
REJECT_SCHEMA = "stripwatch.reject/1"


class StripSpan(msgspec.Struct, frozen=True):
    """Millimetres along the coil."""

    start: int
    end: int


class Defect(msgspec.Struct, frozen=True):
    """strip_mm is that of the box, or of the whole frame while there is no box; null without mm_per_px or position."""

    label: str
    score: float
    box_px: Box | None
    strip_mm: StripSpan | None


class FrameInfo(msgspec.Struct, frozen=True):
    """Which frame this is about. From Kafka topic, partition and offset are set; from a folder, file is."""

    camera: str
    line: str | None
    coil: str | None
    captured_at: str
    strip_position_mm: int | None
    side: str | None
    lane_offset_mm: float | None
    width_px: int | None
    height_px: int | None
    topic: str | None
    partition: int | None
    offset: int | None
    file: str | None


class ModelInfo(msgspec.Struct, frozen=True):
    """The model that made a result. thresholds: "settings" where the plant has overridden those of the bundle."""

    name: str
    version: str
    sha256: str
    thresholds: Literal["bundle", "settings"]


class TimingMs(msgspec.Struct, frozen=True):
    """decode and inference: at work (inference: the whole batch). queue: decoded and waiting. total: in the worker."""

    decode: float
    queue: float
    inference: float
    total: float


class Result(msgspec.Struct, frozen=True):
    """One for every frame that is not rejected. A defect event is the same bytes, where defects is not empty."""

    schema: str
    id: str
    state: Literal["inspected", "skipped"]
    verdict: Verdict | None
    label: str | None
    score: float | None
    scores: dict[str, float]
    defects: list[Defect]
    frame: FrameInfo
    model: ModelInfo
    timing_ms: TimingMs


class Reject(msgspec.Struct, frozen=True):
    """A frame that could not be inspected, as `inspect` writes it; on Kafka the same stands in headers."""

    schema: str
    id: str
    reason: str
    detail: str
    frame: FrameInfo


@dataclass(frozen=True, slots=True)
class EventMaker:
    """Turns predictions into events: the model that made them, its judge, what is known of each camera, its maps."""

    model: ModelInfo
    judge: Judge
    cameras: Mapping[str, Camera]
    maps: MapReader | None = None

    def result(self, prediction: Prediction, now_s: float) -> Result:
        """now_s: of the monotonic clock."""
        judgement = self.judge.judge(prediction.scores)
        frame = prediction.frame
        camera = self.cameras.get(frame.camera)
        return Result(
            schema=RESULT_SCHEMA,
            id=frame.id,
            state="inspected",
            verdict=judgement.verdict,
            label=judgement.label,
            score=_rounded(judgement.score),
            scores={label: _rounded(s) for label, s in zip(self.judge.labels, judgement.scores, strict=True)},
            defects=[defect for at in judgement.defects for defect in self._defects(prediction, judgement, at, camera)],
            frame=frame_info(frame, prediction.width_px, prediction.height_px, camera),
            model=self.model,
            timing_ms=TimingMs(
                decode=_ms(prediction.decode_s),
                queue=_ms(prediction.queue_s),
                inference=_ms(prediction.inference_s),
                total=_ms(now_s - frame.received_s),
            ),
        )

    def _defects(
        self, prediction: Prediction, judgement: Judgement, at: int, camera: Camera | None
    ) -> Iterator[Defect]:
        """One for each box of the label at that position; without heatmaps one without a box."""
        label, score = self.judge.labels[at], _rounded(judgement.scores[at])
        boxes: Sequence[Box | None] = (None,)
        if self.maps is not None and prediction.heatmaps is not None:
            heatmap = np.ascontiguousarray(prediction.heatmaps[..., at])
            boxes = self.maps.boxes(heatmap, prediction.width_px, prediction.height_px)
        for box in boxes:
            yield Defect(label, score, box, _span(prediction.frame, prediction.width_px, box, camera))

    def reject(self, refusal: Refusal) -> Reject:
        frame, error = refusal.frame, refusal.error
        info = frame_info(frame, None, None, self.cameras.get(frame.camera))
        return Reject(REJECT_SCHEMA, frame.id, error.reason.value, error.detail, info)


def event_maker(bundle: Bundle, judge: Judge, cameras: Mapping[str, Camera]) -> EventMaker:
    contract = bundle.contract
    source: Literal["bundle", "settings"] = "settings" if judge.overridden else "bundle"
    model = ModelInfo(contract.name, contract.version, bundle.sha256, source)
    return EventMaker(model, judge, cameras, map_reader(contract))


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
    )


def _span(frame: Frame, width_px: int, box: Box | None, camera: Camera | None) -> StripSpan | None:
    """Of a box, else of the whole frame. The strip runs along the width of the image."""
    start = frame.strip_position_mm
    if start is None or camera is None or camera.mm_per_px is None:
        return None
    left_px, right_px = (0, width_px) if box is None else (box.x, box.x + box.width)
    return StripSpan(start + round(left_px * camera.mm_per_px), start + round(right_px * camera.mm_per_px))


def _rounded(score: float) -> float:
    """Six places: finer than any two runs of a model agree, and a third of the bytes."""
    return round(score, 6)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
