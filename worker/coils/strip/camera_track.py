"""One camera's track along a coil: decides which of its positions are valid, and places its frames on the strip.

Positions come from an encoder, and encoders are reset, wrap around, and send single wrong values. The frames of a
camera are processed in order of capture. Frames at nearby positions form a stretch; a frame farther away begins another
one, regardless of the pause before it. A stretch of CONFIRMED_FRAMES or more is valid. The frames of a shorter one are
outliers, whose positions are not used. The transition between two valid stretches is classified by the time between
them and the direction of the strip (`transitions.py`). After a reset the strip continues.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from stripwatch.worker.coils.strip.placed_camera import PlacedCamera, PlacedStretches
from stripwatch.worker.coils.strip.stretches import SLACK_MM, Frames, Placement, Stretch, StripRules, falls, sign
from stripwatch.worker.coils.strip.transitions import Transition, transition

CONFIRMED_FRAMES = 3
_STILL_FRAMES_MIN = 100
_OPEN_MAX, _STRETCHES_MAX = 8, 1_000


class CameraTrack:
    """The frames of one camera that state a position. They can be added in any order."""

    def __init__(self, rules: StripRules) -> None:
        self._rules = rules
        self._frames = Frames()
        self._placed = PlacedStretches(rules)
        self._start_over()

    def _start_over(self) -> None:
        self._assigned = True  # False after a late frame that may change the assignment of others
        self._near_mm = self._frames.near_mm
        self._stretches: dict[int, Stretch] = {}
        self._open: list[Stretch] = []  # the next frame may belong to these; sorted by newest frame
        self._next_number = 0
        self._dropped_frames = 0
        self._dropped_labels: Counter[str] = Counter()

    def add(self, placement: Placement, again: bool = False) -> None:
        """Add a frame. again: the frame was added before as a reject."""
        if again and (at := self._frames.fill(placement)) is not None:
            stretch = self._stretches.get(self._frames.stretches[at])
            if stretch:
                stretch.show(placement)
            else:
                self._dropped_labels.update(defect.label for defect in placement.defects)
            return
        at = self._frames.insert(placement)
        if not self._assigned:
            return
        if at == len(self._frames) - 1:
            self._frames.stretches[at] = self._assign(at, placement).number
        else:
            self._assigned = self._joined_late(at, placement)

    def transitions(self) -> list[Transition]:
        """Return the transitions between valid stretches, in order of capture."""
        return [transition(before, after, self._rules) for before, after in pairwise(self._valid())]

    def placed(self, shifts_mm: Sequence[int]) -> PlacedCamera:
        """Place the valid stretches on the strip. shifts_mm: shift of each transition, in order."""
        valid = self._valid()
        if len(valid) > 1:
            return self._placed.of(valid, shifts_mm)
        for stretch in valid:
            return PlacedCamera(stretch.covered, stretch.defects, (stretch.low_mm, stretch.high_mm))
        return PlacedCamera.of_nothing(self._rules)

    def faults(self) -> Counter[str]:
        valid = self._valid()
        kinds = Counter(one.kind for one in self.transitions())
        ran_back = sum(
            falls(before.last, after.first)
            for (before, after), one in zip(pairwise(valid), self.transitions(), strict=True)
            if one.kind == "run"
        )
        return Counter(
            jump=kinds["jump"],
            outlier=self._dropped_frames + sum(stretch.frames for stretch in self._not_valid(valid)),
            reset=kinds["reset"],
            reversed=ran_back + sum(stretch.falls for stretch in valid),
            still=sum(stretch.frames for stretch in valid if len(valid) == 1 and _is_still(stretch)),
        )

    def unplaced(self) -> Counter[str]:
        """Count, by label, the defects of outliers, whose positions are not used."""
        left = self._not_valid(self._valid())
        return self._dropped_labels + Counter(defect.label for stretch in left for defect in stretch.defects)

    def _valid(self) -> list[Stretch]:
        """Return the valid stretches in order of capture, or the largest stretch if none is confirmed."""
        if not self._assigned or self._near_mm != self._frames.near_mm:
            self._start_over()
            for at, placement in enumerate(self._frames):
                self._frames.stretches[at] = self._assign(at, placement).number
        valid = [stretch for stretch in self._stretches.values() if stretch.frames >= CONFIRMED_FRAMES]
        best = max(self._stretches.values(), key=lambda stretch: (stretch.frames, -stretch.number), default=None)
        return self._of_this_coil(valid) if valid or best is None else [best]

    def _not_valid(self, valid: Sequence[Stretch]) -> list[Stretch]:
        return [stretch for stretch in self._stretches.values() if stretch not in valid]

    def _is_near(self, before: Placement, after: Placement) -> bool:
        return abs(after.position_mm - before.position_mm) <= self._near_mm and self._rules.can_run(before, after)

    def _assign(self, at: int, placement: Placement) -> Stretch:
        """Assign the newest frame, number `at`, to a nearby stretch or to a new one, and return that stretch."""
        stretch = next((one for one in reversed(self._open) if self._is_near(one.last, placement)), None)
        if stretch is None:
            stretch = Stretch(self._next_number, self._rules, placement)
            self._stretches[stretch.number] = stretch
            self._next_number += 1
        if not self._open or self._open[-1] is not stretch:
            stretch.streak = 0
            self._open = [one for one in self._open if one is not stretch] + [stretch]
        stretch.append(placement)
        if stretch.frames == stretch.streak == CONFIRMED_FRAMES:
            stretch = self._joined(at, stretch)
        closed = self._open[: -1 if stretch.streak >= CONFIRMED_FRAMES else -_OPEN_MAX]
        for one in closed:
            self._close(one)
        self._open = self._open[len(closed) :]
        return stretch

    def _joined(self, at: int, new: Stretch) -> Stretch:
        """Merge a new stretch into the one before it if the strip continued and only frames are missing between."""
        earlier = (one for one in reversed(self._stretches.values()) if one.frames >= CONFIRMED_FRAMES)
        before = next((one for one in earlier if one is not new), None)
        if before is None or before not in self._open:
            return new
        step_mm = new.first.position_mm - before.last.position_mm
        if sign(step_mm) != before.way_at_end or not self._rules.can_run(before.last, new.first):
            return new
        del self._stretches[new.number]
        self._open = [one for one in self._open if one is not before and one is not new] + [before]
        before.streak = 0
        for number in range(at - CONFIRMED_FRAMES + 1, at + 1):
            before.append(self._frames[number])
            self._frames.stretches[number] = before.number
        return before

    def _close(self, stretch: Stretch) -> None:
        if stretch.frames < CONFIRMED_FRAMES or len(self._stretches) > _STRETCHES_MAX:
            del self._stretches[stretch.number]
            self._dropped_frames += stretch.frames
            self._dropped_labels.update(defect.label for defect in stretch.defects)

    def _joined_late(self, at: int, placement: Placement) -> bool:
        """Add a late frame to the stretch around it. Return False if it might change the assignment of other frames.

        It cannot change them if the CONFIRMED_FRAMES before it belong to one stretch, so no other was open, if it is
        near both neighbours, and if its position is between theirs.
        """
        numbers = self._frames.stretches
        if at < CONFIRMED_FRAMES or {*numbers[at - CONFIRMED_FRAMES : at]} != {numbers[at + 1]}:
            return False
        stretch, before, after = self._stretches.get(numbers[at + 1]), self._frames[at - 1], self._frames[at + 1]
        near = self._is_near(before, placement) and self._is_near(placement, after)
        lowest_mm, highest_mm = sorted((before.position_mm, after.position_mm))
        if stretch is None or not near or not lowest_mm <= placement.position_mm <= highest_mm:
            return False
        stretch.frames += 1
        stretch.falls += falls(before, placement) + falls(placement, after) - falls(before, after)
        stretch.show(placement)
        numbers[at] = stretch.number
        return True

    def _of_this_coil(self, valid: list[Stretch]) -> list[Stretch]:
        """Drop short stretches at either end with positions of the previous or next coil.

        The coil id and the encoder seldom change at the same frame.
        """
        few = sum(stretch.frames for stretch in valid) / 10
        while len(valid) > 1 and _is_of_a_neighbour(valid[0], few) and self._is_reset(valid[0], valid[1]):
            valid = valid[1:]
        while len(valid) > 1 and _is_of_a_neighbour(valid[-1], few) and self._is_reset(valid[-2], valid[-1]):
            valid = valid[:-1]
        return valid

    def _is_reset(self, before: Stretch, after: Stretch) -> bool:
        return transition(before, after, self._rules).kind == "reset"


def _is_still(stretch: Stretch) -> bool:
    return stretch.frames >= _STILL_FRAMES_MIN and stretch.is_still


def _is_of_a_neighbour(stretch: Stretch, few: float) -> bool:
    return stretch.frames < few and stretch.high_mm - stretch.low_mm < SLACK_MM
