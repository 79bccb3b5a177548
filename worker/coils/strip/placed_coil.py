"""The covered and uncovered parts of a coil, over all its cameras."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stripwatch.worker.coils.strip.interval_set import IntervalSet
from stripwatch.worker.coils.strip.placed_camera import PlacedCamera
from stripwatch.worker.coils.strip.stretches import StripRules
from stripwatch.worker.contracts.coil_summary import StripDefect
from stripwatch.worker.contracts.frame_info import StripSpan

Gaps = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class PlacedCoil:
    """A coil with its cameras placed on the strip.

    silent: cameras that sent nothing. without_scale: cameras with inspected frames of unknown position or length.
    """

    cameras: Mapping[str, PlacedCamera]
    silent: frozenset[str]
    without_scale: frozenset[str]
    rules: StripRules

    @property
    def strip_mm(self) -> StripSpan | None:
        edges = [edge for camera in self.cameras.values() for edge in camera.edges or ()]
        return StripSpan(min(edges), max(edges)) if edges else None

    def defects(self) -> list[StripDefect]:
        return [defect for camera in self.cameras.values() for defect in camera.defects]

    def gaps(self) -> Gaps | None:
        """Return the spans that no camera covers, or None if no frame's length is known."""
        seen = [camera.covered for camera in self.cameras.values()]
        if self.without_scale and not any(covered.length_mm for covered in seen):
            return None
        return self._gaps([span for covered in seen for span in covered])

    def gaps_of(self, name: str) -> Gaps | None:
        covered = self.cameras[name].covered
        if name in self.without_scale and not covered.length_mm:
            return None
        strip = self.strip_mm
        return covered.gaps(strip.start, strip.end) if strip else None

    def partly_uncovered_mm(self) -> int | None:
        """Return the length that not every camera covers, ignoring cameras without a scale; None if all are."""
        known = [gaps for gaps in map(self.gaps_of, self.cameras) if gaps is not None]
        missing = IntervalSet()
        for start, end in (gap for gaps in known for gap in gaps):
            missing.add(start, end)
        return missing.length_mm if known else None

    def _gaps(self, spans: Sequence[tuple[int, int]]) -> Gaps | None:
        strip, together = self.strip_mm, IntervalSet(self.rules.gap_tolerance_mm)
        for start, end in spans:
            together.add(start, end)
        return together.gaps(strip.start, strip.end) if strip else None


def length_of(gaps: Gaps | None) -> int | None:
    return None if gaps is None else sum(end - start for start, end in gaps)
