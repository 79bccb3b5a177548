"""Observations: a frame as described by one record of the results or rejects."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import msgspec

from stripwatch.worker.coils.tracking.bounded_names import bounded_result, shorten
from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.camera_source import parse_source
from stripwatch.worker.contracts.coil_summary import PixelSpan, StripDefect
from stripwatch.worker.contracts.events import Box, Defect, FrameFlag, Result, UnsureReason
from stripwatch.worker.contracts.frame import read_record
from stripwatch.worker.contracts.frame_info import FrameInfo, StripDirection, StripSpan
from stripwatch.worker.contracts.header_names import ORIGINAL_PREFIX
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.contracts.record_fields import SAFE_INTEGER_MAX, STRIP_POSITION_MM_MAX
from stripwatch.worker.contracts.timestamps import is_capture_time, parse_rfc3339

_FRAME_MM_MAX = 1_000_000
_ROUNDING_MM = 1
# Marks the place of a novel frame among the defects of a strip. No class has this name, which is not printable.
NOVEL = "\x00novel"
State = Literal["inspected", "skipped", "rejected"]
_decode_result = msgspec.json.Decoder(Result).decode


@dataclass(frozen=True, slots=True)
class Observation:
    """One frame, read from its result or reject.

    span_mm: the part of the strip shown by an inspected frame, if the camera's scale is known. defects: defects with a
    known strip position, which is a point if only the position of the frame is known. unplaced: labels of the other
    defects. line_uri: the line as stated in ce_source. flags: reasons why the verdict is unsure regardless of the
    scores. direction: direction of the strip, if stated by the camera. recorded_ms: time at which the event was
    written. model_labels: all classes of the model; empty for frames without scores. is_novel: the model was not
    trained on such frames. novel: the place of such a frame on the strip, if it is known; its score is the novelty
    score divided by the threshold.
    """

    id: str
    line: str | None
    coil: str | None
    camera: str
    captured_ms: int
    state: State
    verdict: str | None
    position_mm: int | None
    span_mm: StripSpan | None
    defects: tuple[StripDefect, ...]
    unplaced: tuple[str, ...]
    replay_of: str | None = None
    line_uri: str | None = None
    flags: tuple[FrameFlag, ...] = ()
    direction: StripDirection | None = None
    recorded_ms: int | None = None
    model_labels: frozenset[str] = frozenset()
    is_novel: bool = False
    novel: StripDefect | None = None

    @property
    def frame_id(self) -> str:
        """The id shared by all events of a frame: its first reject and the events of its replays."""
        return self.replay_of or self.id


def read_result(value: bytes | None) -> Result | None:
    """Decode a result, with names of bounded length. Return None if the value is not a result, since any client may
    write to the topic.
    """
    try:
        return bounded_result(_decode_result(value or b""))
    except msgspec.DecodeError:
        return None


def observation_from_result(result: Result, timestamp_ms: int) -> Observation | None:
    """Convert a result to an observation. Return None if captured_at is not a valid time.

    timestamp_ms: record time, the upper limit of the capture time.
    """
    frame = result.frame
    try:
        captured_ms = parse_rfc3339(frame.captured_at)
    except ValueError:
        return None
    if not _has_valid_position(frame):
        frame = msgspec.structs.replace(frame, strip_position_mm=None, strip_mm=None)
    placed = [_strip_defect(result.id, defect, frame) for defect in result.defects]
    return Observation(
        id=result.id,
        line=frame.line,
        coil=frame.coil,
        camera=frame.camera,
        captured_ms=_captured_ms(captured_ms, timestamp_ms),
        state=result.state,
        verdict=result.verdict,
        position_mm=frame.strip_position_mm,
        span_mm=frame.strip_mm if result.state == "inspected" else None,
        defects=tuple(defect for defect in placed if defect),
        unplaced=tuple(defect.label for defect, place in zip(result.defects, placed, strict=True) if not place),
        replay_of=frame.replay_of,
        flags=result.flags,
        direction=frame.strip_direction,
        recorded_ms=timestamp_ms,
        model_labels=_labels(tuple(result.scores)),
        is_novel=result.reason is UnsureReason.NOVEL,
        novel=_novel_place(result, frame),
    )


@lru_cache(maxsize=64)
def _labels(names: tuple[str, ...]) -> frozenset[str]:
    """Return the names as a set, which the results of a model share."""
    return frozenset(names)


def observation_from_reject(
    key: bytes | None, headers: Sequence[tuple[str, bytes | None]], timestamp_ms: int
) -> Observation | None:
    """Convert the headers of a reject to an observation. Return None without an id, which is needed to detect repeats.

    The headers are CloudEvents like those of a frame, and are read by the same rules.
    """
    named = dict(headers)
    identity, replay_of = named.get(header_names.ID), named.get(ORIGINAL_PREFIX + header_names.REPLAY_OF)
    if not identity:
        return None
    frame = read_record(Record(Position("", 0, 0), timestamp_ms, key, None, headers), "", 0.0, timestamp_ms)
    return Observation(
        id=shorten(identity.decode("utf-8", "replace")),
        line=frame.line,
        coil=frame.coil,
        camera=frame.camera,
        captured_ms=_captured_ms(frame.captured_ms, timestamp_ms),
        state="rejected",
        verdict=None,
        position_mm=frame.strip_position_mm,
        span_mm=None,
        defects=(),
        unplaced=(),
        replay_of=shorten(replay_of.decode("utf-8", "replace")) if replay_of else None,
        direction=frame.strip_direction,
        recorded_ms=timestamp_ms,
    )


def observation_from_record(record: Any, rejects_topic: str) -> Observation | None:
    """Convert a Kafka record of the results or rejects to an observation. Return None if it is neither.

    Replay marks must be filtered out first with `replayed_id`.
    """
    if record.topic == rejects_topic:
        observation = observation_from_reject(record.key, record.headers, record.timestamp)
    else:
        result = read_result(record.value)
        observation = observation_from_result(result, record.timestamp) if result else None
    return replace(observation, line_uri=_line_uri(record.headers)) if observation else None


def _line_uri(headers: Sequence[tuple[str, bytes | None]]) -> str | None:
    source = dict(headers).get(header_names.SOURCE)
    return parse_source(source.decode(errors="replace")).line_uri if source else None


def _captured_ms(captured_ms: int, record_ms: int) -> int:
    """Limit the capture time to the record time. An event of an older worker may also state 1970."""
    return min(captured_ms, record_ms) if is_capture_time(captured_ms, record_ms) else record_ms


def _has_valid_position(frame: FrameInfo) -> bool:
    """Return whether the position is in the allowed range, which events of older workers or others may violate."""
    at, span = frame.strip_position_mm, frame.strip_mm
    if at is None or abs(at) > STRIP_POSITION_MM_MAX:
        return False
    return span is None or at - _FRAME_MM_MAX <= span.start <= span.end <= at + _FRAME_MM_MAX


def _strip_defect(event_id: str, defect: Defect, frame: FrameInfo) -> StripDefect | None:
    """Convert a defect. Return None if its strip position is unknown or outside its frame."""
    at = frame.strip_position_mm
    if at is None:
        return None
    span = defect.strip_mm or StripSpan(at, at)
    shown = frame.strip_mm or span
    if not shown.start - _ROUNDING_MM <= span.start <= span.end <= shown.end + _ROUNDING_MM:
        return None
    box = defect.box_px
    return StripDefect(
        label=sys.intern(defect.label),
        camera=sys.intern(frame.camera),
        score=defect.score,
        strip_mm=span,
        across_px=_rows(box) if box else None,
        parts=1,
        event_id=event_id,
        side=sys.intern(frame.side) if frame.side else None,
        width_mm=defect.width_mm,
        left_edge_mm=defect.left_edge_mm,
        right_edge_mm=defect.right_edge_mm,
    )


def _novel_place(result: Result, frame: FrameInfo) -> StripDefect | None:
    """Return the place of a novel frame on the strip; None for any other frame, and if the position is unknown."""
    if result.reason is not UnsureReason.NOVEL:
        return None
    threshold = result.model.novelty_threshold
    score = result.novelty / threshold if result.novelty and threshold and threshold > 0 else 1.0
    return _strip_defect(result.id, Defect(NOVEL, score, None, frame.strip_mm), frame)


def _rows(box: Box) -> PixelSpan | None:
    """Return the rows of a box, or None if they are impossible for an image."""
    rows = PixelSpan(box.y, box.y + box.height)
    return rows if 0 <= rows.start <= rows.end <= SAFE_INTEGER_MAX else None
