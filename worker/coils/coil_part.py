"""A coil, or the part of it between two silences, from its first frame until nothing can correct it any more."""

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import msgspec

from stripwatch.worker.coils.camera_clocks import CameraClocks
from stripwatch.worker.coils.coil import CoilAggregate
from stripwatch.worker.coils.summary_limit import within_limit
from stripwatch.worker.contracts.coil_summary import CoilSummary, Ended, OffsetSpan
from stripwatch.worker.contracts.positions import Partition

_CAMERAS_MAX, _OTHERS = 256, ""


class EventSource(NamedTuple):
    """Where an event of a frame was read. read_before: by an earlier run, which had counted it."""

    partition: Partition
    offset: int
    read_before: bool = False


@dataclass(slots=True, eq=False, weakref_slot=True)
class CoilPart:
    """heard_s: when an event of it came last. captured: first and last time of each camera, by its own clock.

    changed: since its newest summary, whose number is revision. correctable_until_s: of a part that has ended.
    offsets: of its records in each partition, so that it can be read again. faults: those that summaries have stated.
    """

    log: CoilAggregate
    clocks: CameraClocks
    heard_s: float
    ended: Ended | None = None
    revision: int = 0
    changed: bool = True
    correctable_until_s: float = inf
    offsets: dict[Partition, OffsetSpan] = field(default_factory=dict)
    captured: dict[str, tuple[int, int]] = field(default_factory=dict)
    faults: frozenset[str] = frozenset()

    @property
    def first_ms(self) -> int:
        """By the clock of the workers, as far as it is known by now how far the cameras are behind it."""
        return min(first + self._behind_ms(camera) for camera, (first, _) in self.captured.items())

    @property
    def last_ms(self) -> int:
        return max(last + self._behind_ms(camera) for camera, (_, last) in self.captured.items())

    def gap_ms(self, at_ms: int) -> float:
        """How far outside of the part a moment is. One that was cut at a limit takes no more frames."""
        return inf if self.ended == "limit" else max(self.first_ms - at_ms, at_ms - self.last_ms, 0)

    def stretch_to(self, camera: str, captured_ms: int) -> None:
        """A frame of this moment belongs to it. If that lies beyond its end, the part had not ended."""
        if self.ended and self.ended != "limit" and captured_ms + self._behind_ms(camera) > self.last_ms:
            self.ended = None
        if camera not in self.captured and len(self.captured) >= _CAMERAS_MAX:
            camera = _OTHERS
        first, last = self.captured.get(camera, (captured_ms, captured_ms))
        self.captured[camera] = min(first, captured_ms), max(last, captured_ms)

    def _behind_ms(self, camera: str) -> int:
        return self.clocks.behind_ms(self.log.line, camera)

    def note_source(self, source: EventSource | None) -> None:
        if source is not None:
            known = self.offsets.get(source.partition)
            self.offsets[source.partition] = OffsetSpan(known.first if known else source.offset, source.offset)

    def summary(self) -> CoilSummary:
        """To be published: from now on the coil keeps its id."""
        self.log.pin_id(self.log.id)
        offsets = {partition.name: span for partition, span in self.offsets.items()}
        summary = self.log.summary(self.ended, self.revision)
        cameras = {
            name: msgspec.structs.replace(camera, delay_ms_min=self.clocks.shortest_ms(self.log.line, name))
            for name, camera in summary.cameras.items()
        }
        return within_limit(msgspec.structs.replace(summary, cameras=cameras, offsets=offsets))
