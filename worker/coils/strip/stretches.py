"""Stretches: runs of frames of one camera, each at a position near the one before."""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from stripwatch.worker.coils.strip.interval_set import IntervalSet
from stripwatch.worker.coils.strip.strip_defects import StripDefects, packed, unpacked
from stripwatch.worker.config.plant_sections import CoilsSettings
from stripwatch.worker.contracts.coil_summary import StripDefect
from stripwatch.worker.contracts.frame_info import StripDirection, StripSpan

SLACK_MM = 10_000  # capture times may be sending times, and delayed frames are sent together
_JITTER_MM = 10  # the encoder of a stopped strip jitters
_TURN_MM = 1_000  # a stopping strip moves back a little
_STEPS_MIN = 8  # minimum number of steps of a moving strip; fewer may all come from wrong positions
_STEPS_NEAR = 4
_NEWEST_MAX = 5_000
_DIRECTIONS: tuple[StripDirection | None, ...] = (None, "forward", "reverse")


@dataclass(frozen=True, slots=True)
class Placement:
    """The part of the strip shown by one frame. span: None if the frame was not inspected or the scale is unknown."""

    time_ms: int
    position_mm: int
    span: StripSpan | None
    defects: tuple[StripDefect, ...]
    direction: StripDirection | None


@dataclass(frozen=True, slots=True)
class StripRules:
    """Rules for combining the frames of a strip. The defaults are those of the settings `coils.*`.

    gap_tolerance_mm: frames up to this far apart leave no gap and their defects are merged, because positions are
    rounded. speed_mps_max: maximum speed of a strip.
    """

    gap_tolerance_mm: int = 1
    speed_mps_max: float = 50.0

    @classmethod
    def of(cls, settings: CoilsSettings) -> Self:
        return cls(settings.gap_tolerance_mm, settings.strip_speed_mps_max)

    def can_run(self, before: Placement, after: Placement) -> bool:
        """Return whether the strip can move from one frame to the other in the time between them."""
        way_mm = abs(after.position_mm - before.position_mm)
        return way_mm <= self.speed_mps_max * abs(after.time_ms - before.time_ms) + SLACK_MM


class Stretch:
    """Frames whose stated positions are each near the one before."""

    def __init__(self, number: int, rules: StripRules, first: Placement) -> None:
        self.number = number
        self.frames = self.falls = 0
        self.streak = 0  # number of frames since another stretch received one
        self.first = self.last = first
        self._lowest_mm = self._highest_mm = first.position_mm
        self.low_mm = self.high_mm = first.position_mm
        self.covered = IntervalSet(rules.gap_tolerance_mm)
        self.defects = StripDefects(rules.gap_tolerance_mm)
        self.frame_mm = 0
        self.newest: list[Placement] | None = None  # frames added since the stretch was placed on the strip
        self._way_at_start = self._way_at_end = 0
        self._furthest_mm = first.position_mm  # furthest position in the direction at the end

    @property
    def end_mm(self) -> int:
        """End position of the newest frame, assuming the longest frame length if it was not inspected."""
        return self.last.position_mm + self.frame_mm

    @property
    def is_still(self) -> bool:
        """True if all its frames are at the same position."""
        return self._highest_mm - self._lowest_mm <= _JITTER_MM

    @property
    def way_at_start(self) -> int:
        """Direction at the start: 1 if positions rise in the first metre, -1 if they fall, 0 if they stay."""
        return self._way_at_start or self._way

    @property
    def way_at_end(self) -> int:
        return self._way_at_end or self._way

    @property
    def _way(self) -> int:
        way_mm = self.last.position_mm - self.first.position_mm
        return sign(way_mm) if abs(way_mm) > _JITTER_MM else 0

    def append(self, placement: Placement) -> None:
        """Append the newest frame."""
        self.frames += 1
        self.streak += 1
        self.falls += falls(self.last, placement)
        self.last = placement
        self._lowest_mm = min(self._lowest_mm, placement.position_mm)
        self._highest_mm = max(self._highest_mm, placement.position_mm)
        self._turn(placement.position_mm)
        self.show(placement)

    def _turn(self, position_mm: int) -> None:
        moved_mm = position_mm - self._furthest_mm
        if moved_mm * self._way_at_end > 0:
            self._furthest_mm = position_mm
        elif abs(moved_mm) > _TURN_MM:
            self._way_at_end, self._furthest_mm = sign(moved_mm), position_mm
            self._way_at_start = self._way_at_start or self._way_at_end

    def show(self, placement: Placement) -> None:
        edges = [placement.position_mm]
        if placement.span:
            self.covered.add(placement.span.start, placement.span.end)
            self.frame_mm = max(self.frame_mm, placement.span.end - placement.span.start)
            edges += [placement.span.start, placement.span.end]
        self.low_mm, self.high_mm = min(self.low_mm, *edges), max(self.high_mm, *edges)
        for defect in placement.defects:
            self.defects.add(defect)
        if self.newest is not None:
            self.newest.append(placement)
            if len(self.newest) > _NEWEST_MAX:
                self.newest = None


class Frames:
    """All frames of a camera, in order of capture. They are needed to reassign all frames after an ambiguous late one.

    Arrays of numbers take a fifth of the memory of objects. stretches: the number of each frame's stretch.
    """

    def __init__(self) -> None:
        self.stretches = array("q")
        self._times, self._positions, self._starts, self._ends = array("q"), array("q"), array("q"), array("q")
        self._directions = array("b")
        self._steps = Counter[int]()  # steps between frames, by the bit length of their millimetres
        self._defects: list[bytes] = []

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
            unpacked(self._defects[at]),
            _DIRECTIONS[self._directions[at]],
        )

    @property
    def near_mm(self) -> int:
        """Maximum step between two frames of a stretch: a few times the median step, but at least 10 m.

        Steps of a stopped strip do not count, and those of a few wrong positions do not affect the median.
        """
        moving = sorted((digits, count) for digits, count in self._steps.items() if digits and count)
        total = sum(count for _, count in moving)
        if total < _STEPS_MIN and 2 * total < len(self) - 1:
            return SLACK_MM
        passed = 0
        for digits, count in moving:
            passed += count
            if 2 * passed >= total:
                return max(SLACK_MM, _STEPS_NEAR << digits)
        return SLACK_MM

    def insert(self, placement: Placement) -> int:
        at = self._after(placement)
        self._count_steps(at, placement.position_mm)
        span = placement.span or StripSpan(0, 0)
        self._times.insert(at, placement.time_ms)
        self._positions.insert(at, placement.position_mm)
        self._starts.insert(at, span.start)
        self._ends.insert(at, span.end)
        self._directions.insert(at, _DIRECTIONS.index(placement.direction))
        self._defects.insert(at, packed(placement.defects))
        self.stretches.insert(at, -1)
        return at

    def fill(self, placement: Placement) -> int | None:
        """Add the inspected data to a rejected frame of the same time and position. Return its index, or None."""
        at = self._after(placement) - 1
        while at >= 0 and (self._times[at], self._positions[at]) == (placement.time_ms, placement.position_mm):
            if self._starts[at] == self._ends[at] and not self._defects[at]:
                span = placement.span or StripSpan(0, 0)
                self._starts[at], self._ends[at], self._defects[at] = span.start, span.end, packed(placement.defects)
                return at
            at -= 1
        return None

    def _count_steps(self, at: int, position_mm: int) -> None:
        """Update the step counts for an inserted frame: the step over it is replaced by those to and from it."""
        around = self._positions[max(0, at - 1) : at + 1] if at else self._positions[:1]
        if 0 < at < len(self):
            self._steps[_digits(self._positions[at] - self._positions[at - 1])] -= 1
        for other_mm in around:
            self._steps[_digits(position_mm - other_mm)] += 1

    def _after(self, placement: Placement) -> int:
        first, last = bisect_left(self._times, placement.time_ms), bisect_right(self._times, placement.time_ms)
        return bisect_right(self._positions, placement.position_mm, first, last)


def falls(before: Placement, after: Placement) -> bool:
    """Return whether the strip ran backwards without a header that says so. A stated turn does not count."""
    unstated = before.direction == after.direction != "reverse"
    return unstated and after.position_mm < before.position_mm - _JITTER_MM


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _digits(step_mm: int) -> int:
    return step_mm.bit_length() if abs(step_mm) > _JITTER_MM else 0
