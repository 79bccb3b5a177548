"""The part of a coil that one camera saw, with its stretches placed on the strip."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Self

from stripwatch.worker.coils.strip.interval_set import IntervalSet
from stripwatch.worker.coils.strip.stretches import Stretch, StripRules
from stripwatch.worker.coils.strip.strip_defects import StripDefects, moved


@dataclass(frozen=True, slots=True)
class PlacedCamera:
    """The part of a coil that a camera saw.

    edges: its lowest and highest strip position in mm, or None if no position is usable. shifts: (from_mm, shift_mm);
    from that strip position on, positions stated by frames are smaller by shift_mm. Empty without an encoder reset.
    """

    covered: IntervalSet
    defects: StripDefects
    edges: tuple[int, int] | None
    shifts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of_nothing(cls, rules: StripRules) -> Self:
        return cls(IntervalSet(rules.gap_tolerance_mm), StripDefects(rules.gap_tolerance_mm), None)


class PlacedStretches:
    """Stretches placed on the strip, cached between summaries.

    The live page asks for them every second, so only new frames are added.
    """

    def __init__(self, rules: StripRules) -> None:
        self._rules = rules
        self._places: list[tuple[Stretch, int]] = []
        self._placed = PlacedCamera.of_nothing(rules)

    def of(self, stretches: Sequence[Stretch], shifts_mm: Sequence[int]) -> PlacedCamera:
        """Place the stretches. shifts_mm: shift between each stretch and the next."""
        places = list(zip(stretches, accumulate(shifts_mm, initial=0), strict=True))
        if places != self._places or any(stretch.newest is None for stretch in stretches):
            self._place_all(places)
        edges: list[int] = []
        for stretch, shift_mm in places:
            self._add_newest(stretch, shift_mm)
            edges += [stretch.low_mm + shift_mm, stretch.high_mm + shift_mm]
        shifted = any(shift_mm for _, shift_mm in places)
        shifts = tuple((stretch.low_mm + shift_mm, shift_mm) for stretch, shift_mm in places) if shifted else ()
        return replace(self._placed, edges=(min(edges), max(edges)), shifts=shifts)

    def _place_all(self, places: list[tuple[Stretch, int]]) -> None:
        self._places, self._placed = places, PlacedCamera.of_nothing(self._rules)
        for stretch, shift_mm in places:
            stretch.newest = []
            for start, end in stretch.covered:
                self._placed.covered.add(start + shift_mm, end + shift_mm)
            for defect in stretch.defects:
                self._placed.defects.add(moved(defect, shift_mm))

    def _add_newest(self, stretch: Stretch, shift_mm: int) -> None:
        for placement in stretch.newest or ():
            if placement.span:
                self._placed.covered.add(placement.span.start + shift_mm, placement.span.end + shift_mm)
            for defect in placement.defects:
                self._placed.defects.add(moved(defect, shift_mm))
        stretch.newest = []
