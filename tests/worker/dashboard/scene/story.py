"""The events of the scene, in the order of their time.

* `STOPPED` ran a coil until 14 minutes ago. Its name sorts before that of the running line, and its frames are square.
* `RUNNING` has ten cameras, two of them with long names. It runs the last of 2,000 m of a coil with about 3,000 defects
  of six classes, rejects, unsure, flagged and novel frames, a gap, and one camera that has stopped sending.
* A line without a name runs a coil without an id. Its camera has no `mm_per_px`.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import msgspec

from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.events import (
    RESULT_SCHEMA,
    Box,
    Defect,
    FrameFlag,
    ModelInfo,
    Result,
    TimingMs,
    UnsureReason,
)
from stripwatch.worker.contracts.frame_info import FrameInfo, StripSpan
from stripwatch.worker.contracts.timestamps import rfc3339
from tests.worker.dashboard.scene.pictures import LABELS, LONG_PX, SQUARE_PX, boxes_of

NOW_S = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
STOPPED, RUNNING, NAMELESS = "/plant/hot-rolling/line-1", "/plant/hot-rolling/line-2", None
STOPPED_S = 14 * 60
LONG_NAME = "finishing-mill-exit-top-drive-side"
CAMERAS = {
    **{f"top-{number}": "top" for number in range(1, 5)},
    LONG_NAME: "top",
    **{f"bottom-{number}": "bottom" for number in range(1, 5)},
    "finishing-mill-exit-bottom-drive-side": "bottom",
}
SILENT_CAMERA, REJECTING_CAMERA, FLAGGED_CAMERA = "bottom-4", "bottom-2", "top-3"
NOVEL_CAMERA, NOVEL_EVERY, NOVELTY_THRESHOLD = "bottom-3", 12, 3.5
UNSCALED_CAMERA = "pickling-entry-1"
COIL_MM, FRAME_MM, SPEED_MM_S = 2_000_000, 2_000, 5_000
GAP_MM = range(812_000, 818_000)
REJECTS = {
    "truncated": "the JPEG file ends early",
    "damaged": "the JPEG file is damaged: Corrupt JPEG data",
    "empty": "the record has no value",
}
_MODEL = ModelInfo(
    *("hot-strip-defects", "2026.11.2", "3f9a1c07" * 8, "bundle", "CUDAExecutionProvider"),
    novelty_threshold=NOVELTY_THRESHOLD,
)
_OLD_MODEL = ModelInfo("hot-strip-defects", "2026.10.1", "b04e77d1" * 8, "settings", "CPUExecutionProvider")


@dataclass(frozen=True, slots=True)
class Told:
    """One event: the value of a result, or the headers of a reject. read_s: when the page reads it."""

    read_s: float
    camera: str
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    evidence_id: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Frame:
    line: str | None
    coil: str | None
    camera: str
    side: str | None
    captured_s: float
    start_mm: int
    length_mm: int | None
    offset: int

    @property
    def id(self) -> str:
        return f"inspection.frames-0-{self.offset}"


def events(now_s: float = NOW_S) -> Iterator[Told]:
    """Yield about 13,000 events that end at `now_s`, in seconds since 1970. The same moment gives the same events."""
    rng, offsets = random.Random(7), iter(range(1_000_000))
    yield from _stopped_line(now_s - STOPPED_S, rng, offsets)
    running = [*_earlier_coil(now_s, rng, offsets), *_running_line(now_s, rng, offsets)]
    running += _nameless_line(now_s, rng, offsets)
    yield from sorted(running, key=lambda told: told.read_s)


def _stopped_line(end_s: float, rng: random.Random, offsets: Iterator[int]) -> Iterator[Told]:
    for number in range(400):
        for camera in ("edge-left", "edge-right"):
            at_s = end_s - (400 - number) * 0.1
            frame = _Frame(STOPPED, "L1-20418", camera, "top", at_s, number * 100, 100, next(offsets))
            yield _result(frame, SQUARE_PX, _OLD_MODEL, rng.choice(list(LABELS)) if rng.random() < 0.05 else None, rng)


def _earlier_coil(now_s: float, rng: random.Random, offsets: Iterator[int]) -> Iterator[Told]:
    begin_s = now_s - COIL_MM / SPEED_MM_S - 60
    for number in range(100):
        for camera, side in CAMERAS.items():
            at_s, start_mm = begin_s + number * FRAME_MM / SPEED_MM_S, number * FRAME_MM
            frame = _Frame(RUNNING, "H-2027-004710", camera, side, at_s, start_mm, FRAME_MM, next(offsets))
            yield _result(frame, LONG_PX, _MODEL, "scratch" if rng.random() < 0.02 else None, rng)


def _running_line(now_s: float, rng: random.Random, offsets: Iterator[int]) -> Iterator[Told]:
    for start_mm in range(0, COIL_MM, FRAME_MM):
        if start_mm in GAP_MM:
            continue
        for number, (camera, side) in enumerate(CAMERAS.items()):
            at_s = now_s - (COIL_MM - start_mm - FRAME_MM) / SPEED_MM_S - 0.4 + number * 0.01
            if camera == SILENT_CAMERA and start_mm > COIL_MM - 45 * SPEED_MM_S:
                continue
            frame = _Frame(RUNNING, "H-2027-004711", camera, side, at_s, start_mm, FRAME_MM, next(offsets))
            if rng.random() < (0.04 if camera == REJECTING_CAMERA else 0.001):
                yield _reject(frame, rng.choice(list(REJECTS)))
                continue
            label = rng.choices(list(LABELS), (8, 5, 4, 3, 2, 1))[0] if rng.random() < 0.1 else None
            told = _result(frame, LONG_PX, _MODEL, label, rng)
            is_novel = camera == NOVEL_CAMERA and start_mm // FRAME_MM % NOVEL_EVERY == 0
            yield _novel(told) if is_novel else told


def _nameless_line(now_s: float, rng: random.Random, offsets: Iterator[int]) -> Iterator[Told]:
    for number in range(300):
        at_s, start_mm = now_s - (300 - number) * 0.2, number * 500
        frame = _Frame(NAMELESS, None, UNSCALED_CAMERA, None, at_s, start_mm, None, next(offsets))
        yield _result(frame, SQUARE_PX, _OLD_MODEL, rng.choice(list(LABELS)) if rng.random() < 0.03 else None, rng)


def _result(frame: _Frame, size_px: tuple[int, int], model: ModelInfo, label: str | None, rng: random.Random) -> Told:
    width_px, height_px = size_px
    unsure = label is None and rng.random() < 0.01
    flags = (FrameFlag.SIZE,) if unsure and frame.camera == FLAGGED_CAMERA else ()
    score = round(rng.uniform(0.71, 0.999), 4)
    defects = (
        [_defect(frame, width_px, label, score, box) for box in boxes_of(label, size_px, frame.offset)] if label else []
    )
    has_evidence = rng.random() < 0.7 if label else None
    span = StripSpan(frame.start_mm, frame.start_mm + frame.length_mm) if frame.length_mm else None
    latency_s = 0.06 + 0.02 * rng.random() + (0.4 if rng.random() < 0.01 else 0)
    result = Result(
        schema=RESULT_SCHEMA,
        id=frame.id,
        state="inspected",
        verdict="defect" if label else "unsure" if unsure else "clean",
        label=label or "clean",
        score=score,
        scores={label or "clean": score},
        defects=defects,
        frame=FrameInfo(
            camera=frame.camera,
            line=frame.line,
            coil=frame.coil,
            captured_at=rfc3339(round(frame.captured_s * 1000)),
            strip_position_mm=frame.start_mm,
            side=frame.side,
            lane_offset_mm=None,
            width_px=width_px,
            height_px=height_px,
            topic="inspection.frames",
            partition=0,
            offset=frame.offset,
            file=None,
            strip_mm=span,
        ),
        model=model,
        timing_ms=TimingMs(1.4, 2.1, 9.3, 14.2),
        evidence=has_evidence,
        flags=flags,
    )
    evidence_id = result.id if has_evidence else None
    read_s = frame.captured_s + latency_s
    return Told(read_s, frame.camera, msgspec.json.encode(result), evidence_id=evidence_id, offset=frame.offset)


def _novel(told: Told) -> Told:
    """Return the event of the same frame if the model was not trained on what it shows: it is most like a patch."""
    assert told.value is not None
    result = msgspec.structs.replace(
        msgspec.json.decode(told.value, type=Result),
        verdict="unsure",
        label="patch",
        score=0.9731,
        scores={"patch": 0.9731, "scratch": 0.0269},
        defects=[],
        evidence=None,
        flags=(),
        reason=UnsureReason.NOVEL,
        novelty=8.314159,
    )
    return replace(told, value=msgspec.json.encode(result), evidence_id=None)


def _defect(frame: _Frame, width_px: int, label: str, score: float, box: Box) -> Defect:
    if frame.length_mm is None:
        return Defect(label, score, box, None)
    scale = frame.length_mm / width_px
    start = frame.start_mm + round(box.x * scale)
    across = (
        round(box.height * scale, 1),
        round(200 + box.y * scale, 1),
        round(1000 - (box.y + box.height) * scale, 1),
    )
    return Defect(label, score, box, StripSpan(start, start + max(1, round(box.width * scale))), *across)


def _reject(frame: _Frame, reason: str) -> Told:
    headers = {
        header_names.ID: frame.id,
        header_names.SOURCE: f"{frame.line}/{frame.camera}",
        header_names.SUBJECT: frame.coil or "",
        header_names.TIME: rfc3339(round(frame.captured_s * 1000)),
        header_names.STRIP_POSITION_MM: str(frame.start_mm),
        f"{header_names.OWN_PREFIX}reason": reason,
        f"{header_names.OWN_PREFIX}detail": REJECTS[reason],
        f"{header_names.OWN_PREFIX}bytes": "48211" if reason != "empty" else "0",
        f"{header_names.OWN_PREFIX}bytes_kept": "48211" if reason != "empty" else "0",
        f"{header_names.OWN_PREFIX}topic": "inspection.frames",
        f"{header_names.OWN_PREFIX}partition": "0",
        f"{header_names.OWN_PREFIX}offset": str(frame.offset),
    }
    named = tuple((name, value.encode()) for name, value in headers.items())
    return Told(frame.captured_s + 0.05, frame.camera, headers=named, offset=frame.offset)
