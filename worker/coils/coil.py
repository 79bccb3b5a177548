"""One coil: what the looks of all cameras at it add up to."""

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Literal

import msgspec

from stripwatch.worker.coils.interval_set import IntervalSet
from stripwatch.worker.coils.observations import Observation
from stripwatch.worker.coils.strip_defects import StripDefect, StripDefects
from stripwatch.worker.contracts.events import FrameFlag, StripSpan
from stripwatch.worker.contracts.timestamps import rfc3339

COIL_SCHEMA = "stripwatch.coil/1"
# Of a summary: it must fit into one Kafka message, and names come from outside.
_GAPS_MAX, _DEFECTS_MAX, _CAMERAS_MAX = 200, 1_000, 256

Ended = Literal["next-coil", "silence", "limit"]


class FrameCounts(msgspec.Struct, frozen=True):
    """Each frame is counted once, however often its result came."""

    inspected: int
    skipped: int
    rejected: int


class CameraSummary(msgspec.Struct, frozen=True):
    """uncovered_mm: of the coil's whole length, what no inspected frame of this camera shows; null without a scale."""

    frames: FrameCounts
    uncovered_mm: int | None


class CoilSummary(msgspec.Struct, frozen=True):
    """A coil, or the part of it until a silence. Lengths are null where no frame's place on the strip is known.

    id: from line, coil and first frame, so a reader can drop a repeat. strip_mm: lowest to highest position that any
    frame names. uncovered_mm: of that, what no inspected frame of any camera shows; gaps: where (the first 200).
    defects: strip defects a class, those without a place included. worst: the best score, then the longest.
    strip_defects: the first 1,000 by place. ended: by the next coil, by silence, or at a limit of frames; null while
    it runs. flagged: inspected frames that are unsure whatever their scores are, so nobody has judged what they show;
    flags: the same for each flag.
    """

    schema: str
    id: str
    line: str | None
    coil: str | None
    ended: Ended | None
    first_captured_at: str
    last_captured_at: str
    strip_mm: StripSpan | None
    length_mm: int | None
    uncovered_mm: int | None
    gaps: list[StripSpan]
    frames: FrameCounts
    verdicts: dict[str, int]
    defects: dict[str, int]
    worst: StripDefect | None
    cameras: dict[str, CameraSummary]
    strip_defects: list[StripDefect]
    flagged: int = 0
    flags: dict[str, int] = {}


class CoilAggregate:
    """Grows look by look. The order of looks, and repeats among them, change nothing."""

    def __init__(self, first: Observation, join_mm: int = 0) -> None:
        self.line = first.line
        self.line_uri: str | None = None
        self.coil = first.coil
        self.first_ms = self.last_ms = first.captured_ms
        self.defects = StripDefects(join_mm)
        self.covered: dict[str, IntervalSet] = {}
        self._frames: dict[str, str | None] = {}  # by id; the camera that a reject counts for, else None
        self._states: dict[str, Counter[str]] = {}
        self._verdicts: Counter[str] = Counter()
        self._flagged = 0
        self._flags: Counter[str] = Counter()
        self._unplaced: Counter[str] = Counter()
        self._start_mm: int | None = None
        self._end_mm: int | None = None
        self.add(first)

    @property
    def frames(self) -> int:
        return len(self._frames)

    @property
    def id(self) -> str:
        name = f"{self.line or ''}\n{self.coil or ''}\n{self.first_ms}"
        return f"coil-{hashlib.sha256(name.encode()).hexdigest()[:24]}"

    @property
    def strip_mm(self) -> StripSpan | None:
        if self._start_mm is None or self._end_mm is None:
            return None
        return StripSpan(self._start_mm, self._end_mm)

    def add(self, observation: Observation) -> bool:
        """Whether it is new; a repeat is not counted again.

        A frame that was rejected, sent again and inspected is inspected, whichever event comes first.
        """
        rejected_of = self._frames.get(observation.frame_id)
        if observation.frame_id in self._frames and (rejected_of is None or observation.state == "rejected"):
            return False
        if rejected_of is not None:
            self._states[rejected_of]["rejected"] -= 1
        if observation.camera not in self._states and len(self._states) >= _CAMERAS_MAX:
            observation = replace(observation, camera="other")
        self._frames[observation.frame_id] = observation.camera if observation.state == "rejected" else None
        self.line_uri = self.line_uri or observation.line_uri
        self.first_ms = min(self.first_ms, observation.captured_ms)
        self.last_ms = max(self.last_ms, observation.captured_ms)
        self._states.setdefault(observation.camera, Counter())[observation.state] += 1
        if observation.verdict:
            self._verdicts[observation.verdict] += 1
        self._flagged += bool(observation.flags)
        self._flags.update(observation.flags)
        self._unplaced.update(observation.unplaced)
        for defect in observation.defects:
            self.defects.add(defect)
        self._place(observation)
        return True

    def _place(self, observation: Observation) -> None:
        covered = self.covered.setdefault(observation.camera, IntervalSet())
        if observation.span_mm:
            covered.add(observation.span_mm.start, observation.span_mm.end)
        edges = [observation.position_mm] if observation.position_mm is not None else []
        edges += [observation.span_mm.start, observation.span_mm.end] if observation.span_mm else []
        for edge in edges:
            self._start_mm = edge if self._start_mm is None else min(self._start_mm, edge)
            self._end_mm = edge if self._end_mm is None else max(self._end_mm, edge)

    def summary(self, ended: Ended | None = None) -> CoilSummary:
        strip, gaps = self.strip_mm, self._gaps()
        found = list(self.defects)
        states = sum(self._states.values(), Counter())
        return CoilSummary(
            schema=COIL_SCHEMA,
            id=self.id,
            line=self.line,
            coil=self.coil,
            ended=ended,
            first_captured_at=rfc3339(self.first_ms),
            last_captured_at=rfc3339(self.last_ms),
            strip_mm=strip,
            length_mm=strip.end - strip.start if strip else None,
            uncovered_mm=None if gaps is None else sum(b - a for a, b in gaps),
            gaps=[StripSpan(a, b) for a, b in (gaps or [])[:_GAPS_MAX]],
            frames=_counts(states),
            verdicts=dict(sorted(self._verdicts.items())),
            defects=dict(sorted((Counter(defect.label for defect in found) + self._unplaced).items())),
            worst=max(found, key=_badness, default=None),
            cameras={camera: self._camera(camera, strip) for camera in sorted(self._states)},
            strip_defects=sorted(found, key=lambda d: (d.strip_mm.start, d.camera, d.label))[:_DEFECTS_MAX],
            flagged=self._flagged,
            flags={flag.value: self._flags[flag] for flag in FrameFlag if self._flags[flag]},
        )

    def _gaps(self) -> list[tuple[int, int]] | None:
        """Of all cameras together; None where no frame's length is known."""
        strip, together = self.strip_mm, IntervalSet()
        for spans in self.covered.values():
            for start, end in spans:
                together.add(start, end)
        return together.gaps(strip.start, strip.end) if strip and together.length_mm else None

    def _camera(self, camera: str, strip: StripSpan | None) -> CameraSummary:
        states, covered_mm = self._states[camera], self.covered[camera].length_mm
        without_scale = states["inspected"] and not covered_mm
        uncovered_mm = None if strip is None or without_scale else strip.end - strip.start - covered_mm
        return CameraSummary(_counts(states), uncovered_mm)


def _counts(states: Counter[str]) -> FrameCounts:
    return FrameCounts(states["inspected"], states["skipped"], states["rejected"])


def _badness(defect: StripDefect) -> tuple[float, int, str]:
    return defect.score, defect.strip_mm.end - defect.strip_mm.start, defect.event_id
