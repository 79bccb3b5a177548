"""The events of one coil, read again: its strip, the models that inspected it, and the frames that show its defects."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from stripwatch.worker.broker.time_ordered_reader import Timed
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.events import Box, ModelInfo, Result
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.dashboard.past.event_records import EventRecord
from stripwatch.worker.dashboard.state.evidence_index import position_of_frame

FRAMES_MAX, DEFECT_FRAMES_MAX = 400_000, 50_000
_MODELS_MAX, _CAMERAS_MAX, _BOXES_MAX = 16, 256, 20


@dataclass(frozen=True, slots=True)
class DefectFrame:
    """A frame with a defect. frame: position of its image; None if it came from a folder.

    recorded_ms: time at which the result was written; its evidence image is written shortly after. strip_mm: known
    strip position of its best defect, as (start, end).
    """

    id: str
    label: str
    score: float
    camera: str
    captured_ms: int
    recorded_ms: int
    frame: Position | None
    evidence: bool | None
    boxes: tuple[tuple[Box, str], ...]
    width_px: int | None
    height_px: int | None
    strip_mm: tuple[int, int] | None


@dataclass(slots=True)
class CoilReading:
    """What the records of a coil contain.

    log: the coil; None if none of its records was found. models: number of frames by model. defect_frames: by event
    id. views: side and height in pixels of each camera's frames. is_cut: the coil has more than FRAMES_MAX
    frames, or more than DEFECT_FRAMES_MAX with a defect.
    """

    log: CoilAggregate | None = None
    models: Counter[ModelInfo] = field(default_factory=Counter)
    defect_frames: OrderedDict[str, DefectFrame] = field(default_factory=OrderedDict)
    views: dict[str, tuple[str | None, int | None]] = field(default_factory=dict)
    is_cut: bool = False

    def add(self, event: EventRecord, rules: CoilRules) -> None:
        observation = event.observation
        if self.log is None:
            self.log = CoilAggregate(observation, rules.strip, rules.grading)
        elif self.log.frames >= FRAMES_MAX:
            self.is_cut = True
            return
        elif not self.log.add(observation):
            return
        if event.result is not None:
            self._note(event, event.result)

    def _note(self, event: EventRecord, result: Result) -> None:
        if result.model in self.models or len(self.models) < _MODELS_MAX:
            self.models[result.model] += 1
        if len(self.views) < _CAMERAS_MAX or result.frame.camera in self.views:
            self.views[result.frame.camera] = result.frame.side, result.frame.height_px
        if not result.defects:
            return
        self.is_cut = self.is_cut or len(self.defect_frames) >= DEFECT_FRAMES_MAX
        if len(self.defect_frames) < DEFECT_FRAMES_MAX:
            self.defect_frames[result.id] = _defect_frame(event, result)


def read_coil(events: Iterable[Timed[EventRecord]], summary: CoilSummary, rules: CoilRules) -> CoilReading:
    """Read the frames of a summary from events, which may be those of a whole line.

    They are the frames of its line and name between its first and its last frame.
    """
    first_ms, last_ms = parse_rfc3339(summary.first_captured_at), parse_rfc3339(summary.last_captured_at)
    reading = CoilReading()
    for _, event in events:
        seen = event.observation
        if (seen.line, seen.coil) == (summary.line, summary.coil) and first_ms <= seen.captured_ms <= last_ms:
            reading.add(event, rules)
    return reading


def _defect_frame(event: EventRecord, result: Result) -> DefectFrame:
    best = max(result.defects, key=lambda defect: defect.score)
    return DefectFrame(
        id=result.id,
        label=best.label,
        score=best.score,
        camera=result.frame.camera,
        captured_ms=event.observation.captured_ms,
        recorded_ms=event.timestamp_ms,
        frame=position_of_frame(result),
        evidence=result.evidence,
        boxes=tuple((defect.box_px, defect.label) for defect in result.defects if defect.box_px)[:_BOXES_MAX],
        width_px=result.frame.width_px,
        height_px=result.frame.height_px,
        strip_mm=(best.strip_mm.start, best.strip_mm.end) if best.strip_mm else None,
    )
