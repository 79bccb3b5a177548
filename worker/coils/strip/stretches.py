"""Stretches: frames of one camera whose positions are in reach of each other."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from stripwatch.worker.coils.strip.interval_set import IntervalSet
from stripwatch.worker.coils.strip.strip_defects import StripDefect, StripDefects
from stripwatch.worker.config.sections import CoilsSettings
from stripwatch.worker.contracts.events import StripDirection, StripSpan

SLACK_MM = 10_000  # a time may be that of sending, and frames that waited are sent together
_NEAR_ZERO_MM = 1_000  # the first frame after a reset
_FALL_MM = 10  # the encoder of a standing strip moves a little to and fro
_DIRECTIONS: tuple[StripDirection | None, ...] = (None, "forward", "reverse")


@dataclass(frozen=True, slots=True)
class Placement:
    """What one frame shows of the strip. span: None where nothing was inspected, or the scale is not known."""

    time_ms: int
    position_mm: int
    span: StripSpan | None
    defects: tuple[StripDefect, ...]
    direction: StripDirection | None


@dataclass(frozen=True, slots=True)
class StripRules:
    """gap_tolerance_mm: frames this far apart leave no gap, and their defects are one, since places are rounded.

    speed_mps_max: no strip is faster. The defaults are those of the settings `coils.*`.
    """

    gap_tolerance_mm: int = 1
    speed_mps_max: float = 50.0

    @classmethod
    def of(cls, settings: CoilsSettings) -> Self:
        return cls(settings.gap_tolerance_mm, settings.strip_speed_mps_max)

    def in_reach(self, before: Placement, after: Placement) -> bool:
        """Whether the strip can have run from one to the other; at once from far away to 0 only an encoder goes."""
        way_mm = after.position_mm - before.position_mm
        if way_mm < -SLACK_MM and 0 <= after.position_mm < _NEAR_ZERO_MM:
            return False
        return abs(way_mm) <= self.speed_mps_max * abs(after.time_ms - before.time_ms) + SLACK_MM


class Stretch:
    """Frames whose positions are in reach of each other, in the positions that they state."""

    def __init__(self, number: int, rules: StripRules, first: Placement) -> None:
        self.number = number
        self.frames = self.falls = 0
        self.streak = 0  # of frames since another stretch had one
        self.first_ms, self.first_mm = first.time_ms, first.position_mm
        self.runs_back = False  # at its beginning
        self.low_mm = self.high_mm = first.position_mm
        self.covered = IntervalSet(rules.gap_tolerance_mm)
        self.defects = StripDefects(rules.gap_tolerance_mm)
        self.last = first
        self.frame_mm = 0

    @property
    def last_ms(self) -> int:
        return self.last.time_ms

    @property
    def last_mm(self) -> int:
        return self.last.position_mm

    @property
    def end_mm(self) -> int:
        """Where the newest frame ends; one that was not inspected is as long as the others."""
        return self.last_mm + self.frame_mm

    def append(self, placement: Placement) -> None:
        """The newest frame."""
        self.frames += 1
        self.streak += 1
        if self.frames == 2:
            self.runs_back = placement.position_mm < self.last.position_mm
        self.falls += falls(self.last, placement)
        self.last = placement
        self.show(placement)

    def show(self, placement: Placement) -> None:
        edges = [placement.position_mm]
        if placement.span:
            self.covered.add(placement.span.start, placement.span.end)
            self.frame_mm = max(self.frame_mm, placement.span.end - placement.span.start)
            edges += [placement.span.start, placement.span.end]
        self.low_mm, self.high_mm = min(self.low_mm, *edges), max(self.high_mm, *edges)
        for defect in placement.defects:
            self.defects.add(defect)


class Frames:
    """All frames of a camera, in order of capture: they are judged again when one comes late in a doubtful place.

    Numbers in arrays take a fifth of the memory that objects would. stretches: the number of each frame's stretch.
    """

    def __init__(self) -> None:
        self.stretches = array("q")
        self._times, self._positions, self._starts, self._ends = array("q"), array("q"), array("q"), array("q")
        self._directions = array("b")
        self._defects: list[tuple[StripDefect, ...]] = []

    def __len__(self) -> int:
        return len(self._times)

    def __iter__(self) -> Iterator[Placement]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, at: int) -> Placement:
        start, end = self._starts[at], self._ends[at]
        return Placement(
            self._times[at],
            self._positions[at],
            StripSpan(start, end) if start < end else None,
            self._defects[at],
            _DIRECTIONS[self._directions[at]],
        )

    def insert(self, placement: Placement) -> int:
        at = self._after(placement)
        span = placement.span or StripSpan(0, 0)
        self._times.insert(at, placement.time_ms)
        self._positions.insert(at, placement.position_mm)
        self._starts.insert(at, span.start)
        self._ends.insert(at, span.end)
        self._directions.insert(at, _DIRECTIONS.index(placement.direction))
        self._defects.insert(at, placement.defects)
        self.stretches.insert(at, -1)
        return at

    def fill(self, placement: Placement) -> int | None:
        """Add what was inspected to a frame of this time and position that was rejected; None where there is none."""
        at = self._after(placement) - 1
        while at >= 0 and (self._times[at], self._positions[at]) == (placement.time_ms, placement.position_mm):
            if self._starts[at] == self._ends[at] and not self._defects[at]:
                span = placement.span or StripSpan(0, 0)
                self._starts[at], self._ends[at], self._defects[at] = span.start, span.end, placement.defects
                return at
            at -= 1
        return None

    def _after(self, placement: Placement) -> int:
        first, last = bisect_left(self._times, placement.time_ms), bisect_right(self._times, placement.time_ms)
        return bisect_right(self._positions, placement.position_mm, first, last)


def falls(before: Placement, after: Placement) -> bool:
    """Whether the strip ran backwards although nothing says so. A turn between two stated directions is none."""
    unstated = before.direction == after.direction != "reverse"
    return unstated and after.position_mm < before.position_mm - _FALL_MM
