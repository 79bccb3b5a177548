"""One coil: the aggregated observations of all its cameras, and its summary."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace

from stripwatch.worker.coils.grading.coil_state import GradingRules, with_grade
from stripwatch.worker.coils.strip.camera_track import CameraTrack
from stripwatch.worker.coils.strip.placed_camera import PlacedCamera
from stripwatch.worker.coils.strip.placed_coil import PlacedCoil, length_of
from stripwatch.worker.coils.strip.stretches import Placement, StripRules
from stripwatch.worker.coils.strip.transitions import common_shifts, count_resets
from stripwatch.worker.coils.tracking.digest_set import DigestSet
from stripwatch.worker.coils.tracking.observations import NOVEL, Observation
from stripwatch.worker.contracts.coil_summary import (
    COIL_SCHEMA,
    CameraSummary,
    CoilSummary,
    Ended,
    FrameCounts,
    StripDefect,
)
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame_info import StripSpan
from stripwatch.worker.contracts.timestamps import rfc3339

# Limits of a summary: it must fit into one Kafka message, and names come from outside.
_GAPS_MAX, _DEFECTS_MAX, _CAMERAS_MAX = 200, 1_000, 256


class CoilAggregate:
    """Aggregates observations of a coil. The result does not depend on their order or on repeats.

    expected: cameras that should have seen the coil; set by the coil tracker when the coil has ended.
    """

    def __init__(
        self, first: Observation, rules: StripRules | None = None, grading: GradingRules | None = None
    ) -> None:
        self.line = first.line
        self.line_uri: str | None = None
        self.coil = first.coil
        self._first = first.captured_ms, first.frame_id
        self.last_ms = first.captured_ms
        self.expected: Collection[str] = ()
        self._rules = rules or StripRules()
        self._grading = grading or GradingRules()
        self._tracks: dict[str, CameraTrack] = {}
        self.frame_ids = DigestSet()
        self.supplement = False
        self.replaced_rejects = 0  # only in a supplement
        self.time_is_taken = False  # another part of the coil begins at the same capture time
        self._id: str | None = None
        self._rejected: dict[str, str] = {}  # the camera that the reject counts for, by frame id
        self._states: dict[str, Counter[str]] = {}
        self._without_scale: set[str] = set()
        self._verdicts: Counter[str] = Counter()
        self._flagged = self._novel = 0
        self._flags: Counter[str] = Counter()
        self._unplaced: Counter[str] = Counter()
        self._defect_frames: Counter[str] = Counter()
        self.add(first)

    @property
    def frames(self) -> int:
        return len(self.frame_ids)

    @property
    def first_ms(self) -> int:
        return self._first[0]

    @property
    def id(self) -> str:
        """The id of the summary. It stays the same after the first summary, even if an earlier frame arrives later.

        Two parts of a coil can begin at the same capture time, but each frame is counted in only one of them.
        """
        if self._id is not None:
            return self._id
        captured_ms, frame_id = self._first
        name = f"{self.line or ''}\n{self.coil or ''}\n{captured_ms}"
        if self.supplement or self.time_is_taken:
            name = f"{name}\n{frame_id}"
        return f"coil-{hashlib.sha256(name.encode()).hexdigest()[:24]}"

    def pin_id(self, identity: str) -> None:
        """Use this id from now on."""
        self._id = identity

    @property
    def rejected_ids(self) -> Collection[str]:
        """Ids of rejected frames that were not inspected later."""
        return self._rejected.keys()

    @property
    def cameras(self) -> Collection[str]:
        """Cameras that sent at least one frame."""
        return self._states.keys()

    def placed(self) -> PlacedCoil:
        """Return the part of the strip that each camera shows, including silent cameras that were expected."""
        names = list(self._tracks)
        shifts = common_shifts([self._tracks[name].transitions() for name in names])
        cameras = {name: self._tracks[name].placed(of) for name, of in zip(names, shifts, strict=True)}
        silent = {*self.expected} - {*self._states}
        nothing = {
            name: PlacedCamera.of_nothing(self._rules) for name in (*self._states, *silent) if name not in cameras
        }
        return PlacedCoil(cameras | nothing, frozenset(silent), frozenset(self._without_scale), self._rules)

    def add(self, observation: Observation) -> bool:
        """Add an observation. Return False for a repeat, which is not counted again.

        A frame that was rejected, replayed and inspected counts as inspected, regardless of the order of its events.
        """
        rejected_of = self._rejected.get(observation.frame_id)
        again = rejected_of is not None
        if rejected_of is not None and observation.state != "rejected":
            self._states[rejected_of]["rejected"] -= 1
            del self._rejected[observation.frame_id]
        elif not self.frame_ids.add(observation.frame_id):
            return False
        if observation.camera not in self._states and len(self._states) >= _CAMERAS_MAX:
            observation = replace(observation, camera="other")
        if observation.state == "rejected":
            self._rejected[observation.frame_id] = observation.camera
        self.line_uri = self.line_uri or observation.line_uri
        self._first = min(self._first, (observation.captured_ms, observation.frame_id))
        self.last_ms = max(self.last_ms, observation.captured_ms)
        self._states.setdefault(observation.camera, Counter())[observation.state] += 1
        if observation.verdict:
            self._verdicts[observation.verdict] += 1
        self._flagged += bool(observation.flags)
        self._flags.update(observation.flags)
        self._novel += observation.is_novel
        self._unplaced.update(observation.unplaced)
        self._defect_frames.update({*observation.unplaced, *(defect.label for defect in observation.defects)})
        self._place(observation, again)
        return True

    def _place(self, observation: Observation, again: bool) -> None:
        camera, position_mm, span = observation.camera, observation.position_mm, observation.span_mm
        if observation.state == "inspected" and not span:
            self._without_scale.add(camera)
        if position_mm is None:
            return
        if camera not in self._tracks:
            self._tracks[camera] = CameraTrack(self._rules)
        marks = (*observation.defects, *((observation.novel,) if observation.novel else ()))
        shown = Placement(observation.captured_ms, position_mm, span, marks, observation.direction)
        self._tracks[camera].add(shown, again)

    def summary(self, ended: Ended | None = None, revision: int = 1) -> CoilSummary:
        placed = self.placed()
        strip, gaps = placed.strip_mm, placed.gaps()
        found = [defect for defect in placed.defects() if defect.label != NOVEL]
        faults = {name: track.faults() for name, track in self._tracks.items()}
        unplaced = sum((track.unplaced() for track in self._tracks.values()), self._unplaced)
        unplaced.pop(NOVEL, None)
        defects = dict(sorted((Counter(defect.label for defect in found) + unplaced).items()))
        summary = CoilSummary(
            schema=COIL_SCHEMA,
            id=self.id,
            line=self.line,
            coil=self.coil,
            ended=ended,
            first_captured_at=rfc3339(self.first_ms),
            last_captured_at=rfc3339(self.last_ms),
            strip_mm=strip,
            length_mm=strip.end - strip.start if strip else None,
            uncovered_mm=length_of(gaps),
            gaps=[StripSpan(a, b) for a, b in sorted(gaps or [], key=_longest_first)[:_GAPS_MAX]],
            frames=_counts(sum(self._states.values(), Counter())),
            verdicts=dict(sorted(self._verdicts.items())),
            defects=defects,
            worst=max(found, key=self._badness, default=None),
            cameras={
                name: CameraSummary(
                    _counts(self._states.get(name, Counter())),
                    length_of(placed.gaps_of(name)),
                    _known_faults(faults.get(name, Counter())),
                )
                for name in sorted(placed.cameras)
            },
            strip_defects=sorted(found, key=_by_place)[:_DEFECTS_MAX],
            flagged=self._flagged,
            flags={flag.value: self._flags[flag] for flag in FrameFlag if self._flags[flag]},
            gaps_total=len(gaps or []),
            partly_uncovered_mm=placed.partly_uncovered_mm(),
            cameras_silent=sorted(placed.silent),
            position_faults=self._faults_together(faults.values()),
            revision=revision,
            supplement=self.supplement,
            strip_defects_total=len(found),
            replaced_rejects=self.replaced_rejects,
            defect_frames=dict(sorted(self._defect_frames.items())),
            novel=self._novel,
        )
        return with_grade(summary, self._grading)

    def _badness(self, defect: StripDefect) -> tuple[tuple[int, float], int, str]:
        length_mm = defect.strip_mm.end - defect.strip_mm.start
        return self._grading.seriousness(defect.label, defect.score), length_mm, defect.event_id

    def _faults_together(self, of_cameras: Iterable[Counter[str]]) -> dict[str, int]:
        """Add up the faults of all cameras. They share one encoder, so a reset seen by several cameras counts once."""
        faults = sum(of_cameras, Counter[str]())
        faults["reset"] = count_resets([track.transitions() for track in self._tracks.values()])
        return _known_faults(faults)


def _counts(states: Counter[str]) -> FrameCounts:
    return FrameCounts(states["inspected"], states["skipped"], states["rejected"])


def _known_faults(faults: Counter[str]) -> dict[str, int]:
    return {kind: count for kind, count in sorted(faults.items()) if count}


def _longest_first(gap: tuple[int, int]) -> tuple[int, int]:
    return gap[0] - gap[1], gap[0]


def _by_place(defect: StripDefect) -> tuple[int, str, str, int, str]:
    rows = defect.across_px
    return defect.strip_mm.start, defect.camera, defect.label, rows.start if rows else -1, defect.event_id
