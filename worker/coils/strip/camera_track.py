"""One camera's way along a coil: which of its positions can be true, and where on the strip its frames are.

Positions come from an encoder, and encoders are reset, wrap around and send single wrong values. The frames of a camera
are judged in the order of their capture, by the speed that the strip needed from one to the next. Frames in reach of
each other form a stretch. A stretch of CONFIRMED_FRAMES or more is real: where it is not in reach of the one before,
the encoder was set to another value, and the strip continues there. The frames of a shorter one are outliers, whose
places are not used.

A stretch that begins a little ahead of the end of the one before may also follow a hole, after which the times are
wrong, and an encoder is seldom set so. It keeps its positions: a hole must not be hidden.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Self

from stripwatch.worker.coils.strip.interval_set import IntervalSet
from stripwatch.worker.coils.strip.stretches import SLACK_MM, Frames, Placement, Stretch, StripRules, falls
from stripwatch.worker.coils.strip.strip_defects import StripDefects, moved

CONFIRMED_FRAMES = 3
HOLE_MM_MAX = 1_000_000
_OPEN_MAX, _STRETCHES_MAX = 8, 1_000


@dataclass(frozen=True, slots=True)
class Reset:
    """Between two frames the positions changed faster than any strip. shift_mm: what continues those before it.

    jump: they went ahead as a hole would have it; then nothing is shifted.
    """

    before_ms: int
    after_ms: int
    shift_mm: int
    jump: bool


@dataclass(frozen=True, slots=True)
class PlacedCamera:
    """What a camera saw of the coil. edges: its lowest and highest position; None where none can be used.

    shifts: from which place on how much lies between it and the position that frames state; empty without a reset.
    """

    covered: IntervalSet
    defects: StripDefects
    edges: tuple[int, int] | None
    shifts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of_nothing(cls, rules: StripRules) -> Self:
        return cls(IntervalSet(rules.gap_tolerance_mm), StripDefects(rules.gap_tolerance_mm), None)


class CameraTrack:
    """The frames of one camera that state a position. The order in which they are added does not matter."""

    def __init__(self, rules: StripRules) -> None:
        self._rules = rules
        self._frames = Frames()
        self._start_over()

    def _start_over(self) -> None:
        self._judged = True  # else a frame came late where it may change the judgement of others
        self._stretches: dict[int, Stretch] = {}
        self._open: list[Stretch] = []  # the next frame may belong to these; the one with the newest frame is last
        self._next_number = 0
        self._dropped_frames = 0
        self._dropped_labels: Counter[str] = Counter()

    def add(self, placement: Placement, again: bool = False) -> None:
        """again: the frame was added before, as one that was rejected."""
        if again and (at := self._frames.fill(placement)) is not None:
            stretch = self._stretches.get(self._frames.stretches[at])
            if stretch:
                stretch.show(placement)
            else:
                self._dropped_labels.update(defect.label for defect in placement.defects)
            return
        at = self._frames.insert(placement)
        if not self._judged:
            return
        if at == len(self._frames) - 1:
            self._frames.stretches[at] = self._judge(placement).number
        else:
            self._judged = self._joined_late(at, placement)

    def resets(self) -> list[Reset]:
        """In the order of capture."""
        return [_reset(before, after) for before, after in pairwise(self._real())]

    def placed(self, shifts_mm: Sequence[int]) -> PlacedCamera:
        """shifts_mm: of the resets, in their order."""
        real = self._real()
        if len(real) < 2:
            for stretch in real:
                return PlacedCamera(stretch.covered, stretch.defects, (stretch.low_mm, stretch.high_mm))
        placed = PlacedCamera.of_nothing(self._rules)
        totals = list(accumulate(shifts_mm, initial=0))
        edges: list[int] = []
        for stretch, shift_mm in zip(real, totals, strict=False):
            for start, end in stretch.covered:
                placed.covered.add(start + shift_mm, end + shift_mm)
            for defect in stretch.defects:
                placed.defects.add(moved(defect, shift_mm))
            edges += [stretch.low_mm + shift_mm, stretch.high_mm + shift_mm]
        shifts = tuple((low, shift_mm) for low, shift_mm in zip(edges[::2], totals, strict=False))
        return replace(placed, edges=(min(edges), max(edges)) if edges else None, shifts=shifts)

    def faults(self) -> Counter[str]:
        real, resets = self._real(), self.resets()
        return Counter(
            jump=sum(reset.jump for reset in resets),
            outlier=self._dropped_frames + sum(stretch.frames for stretch in self._not_real(real)),
            reset=sum(not reset.jump for reset in resets),
            reversed=sum(stretch.falls for stretch in real),
        )

    def unplaced(self) -> Counter[str]:
        """The labels of defects whose places are not used."""
        left = self._not_real(self._real())
        return self._dropped_labels + Counter(defect.label for stretch in left for defect in stretch.defects)

    def _real(self) -> list[Stretch]:
        """In the order of capture. Of too few frames to tell, those that most others agree with."""
        if not self._judged:
            self._start_over()
            for at, placement in enumerate(self._frames):
                self._frames.stretches[at] = self._judge(placement).number
        real = [stretch for stretch in self._stretches.values() if stretch.frames >= CONFIRMED_FRAMES]
        best = max(self._stretches.values(), key=lambda stretch: (stretch.frames, -stretch.number), default=None)
        return _of_this_coil(real) if real or best is None else [best]

    def _not_real(self, real: Sequence[Stretch]) -> list[Stretch]:
        return [stretch for stretch in self._stretches.values() if stretch not in real]

    def _judge(self, placement: Placement) -> Stretch:
        """The stretch of the newest frame: one that it is in reach of, else a new one."""
        stretch = next((one for one in reversed(self._open) if self._rules.in_reach(one.last, placement)), None)
        if stretch is None:
            stretch = Stretch(self._next_number, self._rules, placement)
            self._stretches[stretch.number] = stretch
            self._next_number += 1
        if not self._open or self._open[-1] is not stretch:
            stretch.streak = 0
            self._open = [one for one in self._open if one is not stretch] + [stretch]
        stretch.append(placement)
        closed = self._open[: -1 if stretch.streak >= CONFIRMED_FRAMES else -_OPEN_MAX]
        for one in closed:
            self._close(one)
        self._open = self._open[len(closed) :]
        return stretch

    def _close(self, stretch: Stretch) -> None:
        if stretch.frames < CONFIRMED_FRAMES or len(self._stretches) > _STRETCHES_MAX:
            del self._stretches[stretch.number]
            self._dropped_frames += stretch.frames
            self._dropped_labels.update(defect.label for defect in stretch.defects)

    def _joined_late(self, at: int, placement: Placement) -> bool:
        """Whether the frame could be added to the stretch around it without any effect on the other frames.

        So many frames before it are of one stretch that no other was open, and it is in reach of both its neighbours.
        """
        numbers = self._frames.stretches
        if at < CONFIRMED_FRAMES or {*numbers[at - CONFIRMED_FRAMES : at]} != {numbers[at + 1]}:
            return False
        stretch, before, after = self._stretches.get(numbers[at + 1]), self._frames[at - 1], self._frames[at + 1]
        reached = self._rules.in_reach(before, placement) and self._rules.in_reach(placement, after)
        if stretch is None or not reached:
            return False
        stretch.frames += 1
        stretch.falls += falls(before, placement) + falls(placement, after) - falls(before, after)
        stretch.show(placement)
        numbers[at] = stretch.number
        return True


def _of_this_coil(real: list[Stretch]) -> list[Stretch]:
    """Without a few frames at either end that state positions of the coil before or after.

    The name of the coil and the encoder seldom change at the same frame.
    """
    few = sum(stretch.frames for stretch in real) / 10
    while len(real) > 1 and _is_of_a_neighbour(real[0], few) and not _reset(real[0], real[1]).jump:
        real = real[1:]
    while len(real) > 1 and _is_of_a_neighbour(real[-1], few) and not _reset(real[-2], real[-1]).jump:
        real = real[:-1]
    return real


def _is_of_a_neighbour(stretch: Stretch, few: float) -> bool:
    return stretch.frames < few and stretch.high_mm - stretch.low_mm < SLACK_MM


def _reset(before: Stretch, after: Stretch) -> Reset:
    first_ms, last_ms = sorted((before.last_ms, after.first_ms))  # they overlap where a clock was set back
    if after.runs_back:
        return Reset(first_ms, last_ms, before.last_mm - after.first_mm - after.frame_mm, jump=False)
    jump = 0 <= after.first_mm - before.end_mm <= HOLE_MM_MAX
    return Reset(first_ms, last_ms, 0 if jump else before.end_mm - after.first_mm, jump)


def common_shifts(resets: Sequence[Sequence[Reset]]) -> list[list[int]]:
    """The shifts of the resets of each camera, where resets of several cameras at one time are one.

    They have the encoder of the strip in common. Frames that a camera lost about then make its own shift too small, so
    the largest counts. One that differs by more than frames explain is of another encoder.
    """
    every = [reset for camera in resets for reset in camera]
    if len(every) > _STRETCHES_MAX:
        return [[reset.shift_mm for reset in camera] for camera in resets]
    return [[max(other.shift_mm for other in every if _same(other, reset)) for reset in camera] for camera in resets]


def _same(a: Reset, b: Reset) -> bool:
    at_one_time = a.before_ms <= b.after_ms and b.before_ms <= a.after_ms
    return at_one_time and abs(a.shift_mm - b.shift_mm) <= SLACK_MM
