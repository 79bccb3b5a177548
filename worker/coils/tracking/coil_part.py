"""A coil, or its part between two silences, from its first frame until it can no longer be corrected."""

from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import msgspec

from stripwatch.worker.coils.tracking.camera_clocks import CameraClocks
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.summary_limit import within_limit
from stripwatch.worker.contracts.coil_summary import CoilSummary, Ended, OffsetSpan
from stripwatch.worker.contracts.positions import Partition

_CAMERAS_MAX, _OTHERS = 256, ""


class EventSource(NamedTuple):
    """The record that an event was read from. read_before: an earlier run has read and counted it."""

    partition: Partition
    offset: int
    read_before: bool = False


@dataclass(slots=True, eq=False, weakref_slot=True)
class CoilPart:
    """One part of a coil.

    heard_s: time of its last event. revision: number of its newest summary. changed: it has changed since that summary.
    correctable_until_s: end of the time in which an ended part can be corrected. offsets: its records in each
    partition, so that it can be read again. captured: first and last capture time of each camera, by the camera's
    clock. faults: faults that its summaries have already stated.
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
        """Capture time of the first frame by the workers' clock, given the known delays of the cameras' clocks."""
        return min(first + self._behind_ms(camera) for camera, (first, _) in self.captured.items())

    @property
    def last_ms(self) -> int:
        return max(last + self._behind_ms(camera) for camera, (_, last) in self.captured.items())

    def gap_ms(self, at_ms: int) -> float:
        """Return how far a time is outside the part; infinity for a part cut at a limit, which accepts no frames."""
        return inf if self.ended == "limit" else max(self.first_ms - at_ms, at_ms - self.last_ms, 0)

    def stretch_to(self, camera: str, captured_ms: int) -> None:
        """Extend the part to a capture time. If that is beyond its end, the part reopens."""
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
        """Build the summary for publishing. From now on the coil keeps its id."""
        self.log.pin_id(self.log.id)
        offsets = {partition.name: span for partition, span in self.offsets.items()}
        summary = self.log.summary(self.ended, self.revision)
        cameras = {
            name: msgspec.structs.replace(camera, delay_ms_min=self.clocks.shortest_ms(self.log.line, name))
            for name, camera in summary.cameras.items()
        }
        return within_limit(msgspec.structs.replace(summary, cameras=cameras, offsets=offsets))
