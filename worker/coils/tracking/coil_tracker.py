"""Tracks which coils run, which have ended but can still be corrected, and which need a summary.

Callers pass in the time, in seconds of any clock, so tests never wait.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Self

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.strip.stretches import StripRules
from stripwatch.worker.coils.tracking.camera_clocks import CameraClocks
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.coil_part import CoilPart, EventSource
from stripwatch.worker.coils.tracking.final_frames import FinalFrames
from stripwatch.worker.coils.tracking.line_cameras import LineCameras, configured_cameras
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.coils.tracking.published_coils import Key, PublishedCoils, content_digest, final_until_ms
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.coil_summary import Ended
from stripwatch.worker.contracts.positions import Partition

LAG_S_TARGET = 30.0  # stripwatch:lag_seconds:target of the recording rules, beyond which StripwatchLagGrows fires
_SILENCE_S_MIN = 120.0
_FORGOTTEN_MAX = 5_000


@dataclass(frozen=True, slots=True)
class CoilRules:
    """Rules for closing coils.

    A coil ends after settle_s without frames if the line has started another coil, or after silence_s without frames.
    Later frames correct it for correctable_s after its end or its newest correction. The defaults follow from the
    default settings. frames_max bounds the memory of a line that never starts a new coil, open_max that of a line that
    constantly does, and frames_kept_max that of all coils together. cameras: cameras named in the settings, by line; on
    other lines, the cameras that saw earlier coils are expected.
    """

    settle_s: float = 95.0
    silence_s: float = 120.0
    correctable_s: float = 455.0
    frames_max: int = 1_000_000
    frames_kept_max: int = 5_000_000
    open_max: int = 1_000
    strip: StripRules = field(default_factory=StripRules)
    cameras: Mapping[str, Collection[str]] = field(default_factory=dict)
    grading: GradingRules = field(default_factory=GradingRules)

    @classmethod
    def of(
        cls,
        settings: Settings,
        settle_s: float | None = None,
        silence_s: float | None = None,
        correctable_s: float | None = None,
    ) -> Self:
        """Derive the rules from the workers' settings, except for the values given.

        settle_s: a killed worker keeps its partitions until its session ends, the others drain before they take over,
        and then work off the backlog. correctable_s: a hung worker leaves the group after max_poll_interval_ms, and
        Kafka may take send_s_max to acknowledge a result.
        """
        held_up_s = settings.session_timeout_ms / 1000 + settings.drain_s_max + LAG_S_TARGET
        hung_s = held_up_s + settings.max_poll_interval_ms / 1000 + settings.send_s_max
        settle_s = held_up_s if settle_s is None else settle_s
        return cls(
            settle_s=settle_s,
            silence_s=max(_SILENCE_S_MIN, settle_s) if silence_s is None else silence_s,
            correctable_s=hung_s if correctable_s is None else correctable_s,
            strip=StripRules.of(settings.coils),
            cameras=configured_cameras(settings.cameras),
            grading=GradingRules.of(settings),
        )


Outcome = Literal["in-time", "late", "supplement", "repeat"]


class Added(NamedTuple):
    """The outcome of adding an event. part: None for a repeat in a coil that is no longer kept.

    outcome: "late" if it corrects a coil that had ended; "supplement" if that coil can no longer be corrected.
    replaces_reject: the frame was rejected before and was replayed.
    """

    part: CoilPart | None
    outcome: Outcome
    replaces_reject: bool = False


class CoilTracker:
    """Assigns every frame to one part of its coil, whenever it arrives.

    It chooses the part that was captured at the frame's time, even if that has ended; the part then gets a corrected
    summary. Late frames of a coil that is no longer kept form a separate part, a supplement.
    """

    def __init__(self, rules: CoilRules, published: PublishedCoils | None = None) -> None:
        self._rules = rules
        self._published = published or PublishedCoils()
        self._clocks = CameraClocks(self._published.delays)
        self._cameras = LineCameras(rules.cameras)
        for (line, coil), cameras in self._published.cameras_seen:
            self._cameras.saw(line, coil, cameras)
        self._parts: dict[Key, list[CoilPart]] = {}
        self._final_ms: OrderedDict[Key, int] = OrderedDict(self._published.final_ms(rules.silence_s))
        self._final_frames = FinalFrames()
        self._ids: OrderedDict[str, None] = OrderedDict.fromkeys(self._published.ids())

    def __iter__(self) -> Iterator[CoilPart]:
        """Iterate over the kept parts in the order of their first frames."""
        parts = (part for parts in self._parts.values() for part in parts)
        return iter(sorted(parts, key=lambda part: part.first_ms))

    @property
    def running(self) -> list[CoilPart]:
        return [part for part in self if not part.ended]

    def first_offsets(self) -> dict[Partition, int]:
        """Return, by partition, the offset from which all parts that can still change can be rebuilt."""
        return _first_offsets(self)

    def first_unpublished(self) -> dict[Partition, int]:
        """Return, by partition, the first offset of unpublished supplements (late frames of final coils)."""
        return _first_offsets(part for part in self if part.log.supplement and part.changed)

    def add(self, observation: Observation, now_s: float, source: EventSource | None = None) -> Added:
        key = observation.line, observation.coil
        at_ms = self._clocks.common_ms(observation)
        if self._published.has_final(key, source, observation.captured_ms):
            return self._repeat_of_final(observation)
        part = self._part_of(key, observation.frame_id, at_ms)
        if part is None or part.log.supplement:
            if source and source.read_before and self._is_long_final(key, at_ms):
                return self._repeat_of_final(observation)
            if self._final_frames.has(observation):
                return Added(None, "repeat")
        if part is None:
            return self._begin(key, observation, at_ms, now_s, source)
        part.note_source(source)
        frames = part.log.frames
        if not part.log.add(observation):
            if not part.ended:
                part.heard_s = now_s
            return Added(part, "repeat")
        late = part.ended is not None
        part.heard_s, part.changed = now_s, True
        part.stretch_to(observation.camera, observation.captured_ms)
        outcome: Outcome = "supplement" if part.log.supplement else "late" if late else "in-time"
        replaces = part.log.frames == frames or self._replaces_final_reject(part, observation)
        return Added(part, outcome, replaces_reject=replaces)

    def due(self, now_s: float) -> list[CoilPart]:
        """Return the ended or corrected parts whose summary must be published, oldest first."""
        self.end_parts(now_s)
        excess = self._excess()
        due = [part for part in self if part.ended and part.changed and (self._is_quiet(part, now_s) or part in excess)]
        publish = [part for part in due if self._revise(part)]
        for part in due:
            part.changed, part.correctable_until_s = False, now_s + self._rules.correctable_s
        for part in list(self):
            if part in excess or (part.ended and not part.changed and now_s >= part.correctable_until_s):
                self._forget(part)
        return publish

    def finish(self) -> list[CoilPart]:
        """Return the parts with changes that are not in a summary yet. Call it when no more events follow."""
        return [part for part in self if part.changed and self._revise(part)]

    def _part_of(self, key: Key, frame_id: str, at_ms: int) -> CoilPart | None:
        parts = self._parts.get(key, [])
        nearest = min(parts, key=lambda part: (part.gap_ms(at_ms), part.ended is not None), default=None)
        fits = nearest is not None and nearest.gap_ms(at_ms) <= 1000 * self._rules.silence_s
        if fits and len(parts) == 1:
            return nearest
        if known := next((part for part in parts if frame_id in part.log.frame_ids), None):
            return known
        if fits:
            return nearest
        if at_ms > self._final_ms.get(key, -1):
            return next((part for part in parts if not part.ended and not part.log.supplement), None)
        return None

    def _begin(self, key: Key, observation: Observation, at_ms: int, now_s: float, source: EventSource | None) -> Added:
        part = CoilPart(CoilAggregate(observation, self._rules.strip, self._rules.grading), self._clocks, now_s)
        part.stretch_to(observation.camera, observation.captured_ms)
        part.note_source(source)
        read_before = source is not None and source.read_before  # False for a late frame in no summary yet
        part.log.supplement = at_ms <= self._final_ms.get(key, -1) and not read_before
        self._parts.setdefault(key, []).append(part)
        replaces = self._replaces_final_reject(part, observation)
        return Added(part, "supplement" if part.log.supplement else "in-time", replaces_reject=replaces)

    def _replaces_final_reject(self, part: CoilPart, observation: Observation) -> bool:
        """Return whether a new frame of this part is a reject in an earlier summary, and count it in the part."""
        replaces = part.log.supplement and self._final_frames.replaces_reject(observation)
        part.log.replaced_rejects += replaces
        return replaces

    def _is_long_final(self, key: Key, at_ms: int) -> bool:
        """Return whether this time is certainly before every part that an earlier run kept.

        The next part may begin right where one was cut at a limit, and the clocks may have been known less precisely.
        """
        return at_ms <= self._final_ms.get(key, -1) - 500 * self._rules.silence_s

    def _repeat_of_final(self, observation: Observation) -> Added:
        """Treat an observation as a repeat: an earlier run has counted it in a coil that is final now."""
        self._final_frames.add(observation)
        return Added(None, "repeat")

    def end_parts(self, now_s: float) -> None:
        """End parts by the rules without publishing them, because a part that is being read again is incomplete."""
        running = self.running
        newest_ms: dict[str | None, int] = {}
        for part in running:
            newest_ms[part.log.line] = max(part.first_ms, newest_ms.get(part.log.line, part.first_ms))
        for part in running:
            part.ended = self._why_ended(part, now_s, moved_on=newest_ms[part.log.line] > part.first_ms)
        left = sorted((part for part in running if not part.ended), key=lambda part: part.heard_s)
        for part in left[: max(0, len(left) - self._rules.open_max)]:
            part.ended = "limit"

    def _why_ended(self, part: CoilPart, now_s: float, moved_on: bool) -> Ended | None:
        quiet_s = now_s - part.heard_s
        if moved_on and quiet_s >= self._rules.settle_s:
            return "next-coil"
        if quiet_s >= self._rules.silence_s:
            return "silence"
        return "limit" if part.log.frames >= self._rules.frames_max else None

    def _is_quiet(self, part: CoilPart, now_s: float) -> bool:
        """Return whether no frame arrived for a while, so that late frames are collected into one correction."""
        return part.ended == "limit" or now_s - part.heard_s >= min(self._rules.settle_s, self._rules.silence_s)

    def _excess(self) -> set[CoilPart]:
        """Return the parts that ended first, as many as needed to stay within the limits of parts and frames."""
        ended = sorted((part for part in self if part.ended), key=lambda part: part.heard_s)
        frames, excess = sum(part.log.frames for part in self), set[CoilPart]()
        for part in ended:
            too_many = len(ended) - len(excess) > 2 * self._rules.open_max
            if not too_many and frames <= self._rules.frames_kept_max:
                break
            frames -= part.log.frames
            excess.add(part)
        return excess

    def _revise(self, part: CoilPart) -> bool:
        """Assign the revision of the part's next summary. Return False if the same content is already published."""
        known = self._published.take(part) if part.revision == 0 else None
        if known is None:
            if part.revision == 0 and not part.log.supplement:
                part.log.expected = self._cameras.expected(part.log.line, part.log.coil)
                self._cameras.saw(part.log.line, part.log.coil, part.log.cameras)
            if part.revision == 0:
                self._issue_id(part)
            part.revision += 1
            return True
        part.log.pin_id(known.id)
        part.log.expected, part.revision, part.faults = known.cameras, known.revision, known.faults
        if content_digest(part.summary()) == known.digest:
            return False
        part.revision += 1
        return True

    def _issue_id(self, part: CoilPart) -> None:
        part.log.time_is_taken = part.log.id in self._ids
        self._ids[part.log.id] = None
        while len(self._ids) > _FORGOTTEN_MAX:
            self._ids.popitem(last=False)

    def _forget(self, part: CoilPart) -> None:
        """Make a part final. The ids of its frames are kept for a while, so repeats do not count as late."""
        key = part.log.line, part.log.coil
        self._parts[key].remove(part)
        if not self._parts[key]:
            del self._parts[key]
        until_ms = final_until_ms(part.last_ms, part.ended, self._rules.silence_s)
        self._final_ms[key] = max(until_ms, self._final_ms.pop(key, until_ms))
        while len(self._final_ms) > _FORGOTTEN_MAX:
            self._final_ms.popitem(last=False)
        self._final_frames.add_all(part.log.frame_ids, part.log.rejected_ids)


def _first_offsets(parts: Iterable[CoilPart]) -> dict[Partition, int]:
    firsts: dict[Partition, int] = {}
    for part in parts:
        for partition, span in part.offsets.items():
            firsts[partition] = min(span.first, firsts.get(partition, span.first))
    return firsts
