"""One camera's way along a coil: which of its positions can be true, and where on the strip its frames are.

Positions come from an encoder, and encoders are reset, wrap around and send single wrong values. The frames of a camera
are judged in the order of their capture. Frames near each other form a stretch; one that is farther away begins
another, however long the pause before it was. A stretch of CONFIRMED_FRAMES or more is real. The frames of a shorter
one are outliers, whose places are not used. What lies between two real stretches is judged by the time between them
and by the way that the strip ran (`transitions.py`); after a reset the strip continues.
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
    """The frames of one camera that state a position. The order in which they are added does not matter."""

    def __init__(self, rules: StripRules) -> None:
        self._rules = rules
        self._frames = Frames()
        self._placed = PlacedStretches(rules)
        self._start_over()

    def _start_over(self) -> None:
        self._judged = True  # else a frame came late where it may change the judgement of others
        self._near_mm = self._frames.near_mm
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
            self._frames.stretches[at] = self._judge(at, placement).number
        else:
            self._judged = self._joined_late(at, placement)

    def transitions(self) -> list[Transition]:
        """Between the real stretches, in the order of capture."""
        return [transition(before, after, self._rules) for before, after in pairwise(self._real())]

    def placed(self, shifts_mm: Sequence[int]) -> PlacedCamera:
        """shifts_mm: of the transitions, in their order."""
        real = self._real()
        if len(real) > 1:
            return self._placed.of(real, shifts_mm)
        for stretch in real:
            return PlacedCamera(stretch.covered, stretch.defects, (stretch.low_mm, stretch.high_mm))
        return PlacedCamera.of_nothing(self._rules)

    def faults(self) -> Counter[str]:
        real = self._real()
        kinds = Counter(one.kind for one in self.transitions())
        ran_back = sum(
            falls(before.last, after.first)
            for (before, after), one in zip(pairwise(real), self.transitions(), strict=True)
            if one.kind == "run"
        )
        return Counter(
            jump=kinds["jump"],
            outlier=self._dropped_frames + sum(stretch.frames for stretch in self._not_real(real)),
            reset=kinds["reset"],
            reversed=ran_back + sum(stretch.falls for stretch in real),
            still=sum(stretch.frames for stretch in real if len(real) == 1 and _is_still(stretch)),
        )

    def unplaced(self) -> Counter[str]:
        """The labels of defects whose places are not used."""
        left = self._not_real(self._real())
        return self._dropped_labels + Counter(defect.label for stretch in left for defect in stretch.defects)

    def _real(self) -> list[Stretch]:
        """In the order of capture. Of too few frames to tell, those that most others agree with."""
        if not self._judged or self._near_mm != self._frames.near_mm:
            self._start_over()
            for at, placement in enumerate(self._frames):
                self._frames.stretches[at] = self._judge(at, placement).number
        real = [stretch for stretch in self._stretches.values() if stretch.frames >= CONFIRMED_FRAMES]
        best = max(self._stretches.values(), key=lambda stretch: (stretch.frames, -stretch.number), default=None)
        return self._of_this_coil(real) if real or best is None else [best]

    def _not_real(self, real: Sequence[Stretch]) -> list[Stretch]:
        return [stretch for stretch in self._stretches.values() if stretch not in real]

    def _is_near(self, before: Placement, after: Placement) -> bool:
        return abs(after.position_mm - before.position_mm) <= self._near_mm and self._rules.can_run(before, after)

    def _judge(self, at: int, placement: Placement) -> Stretch:
        """The stretch of frame number `at`, the newest: one that it is near, else a new one."""
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
        """The stretch before, with the frames of the new one, where the strip ran on to it and frames are missing."""
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
        """Whether the frame could be added to the stretch around it without any effect on the other frames.

        The CONFIRMED_FRAMES before it are of one stretch, so no other was open. The frame is near both its neighbours,
        and its position is between theirs.
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

    def _of_this_coil(self, real: list[Stretch]) -> list[Stretch]:
        """Without a few frames at either end that state positions of the coil before or after.

        The name of the coil and the encoder seldom change at the same frame.
        """
        few = sum(stretch.frames for stretch in real) / 10
        while len(real) > 1 and _is_of_a_neighbour(real[0], few) and self._is_reset(real[0], real[1]):
            real = real[1:]
        while len(real) > 1 and _is_of_a_neighbour(real[-1], few) and self._is_reset(real[-2], real[-1]):
            real = real[:-1]
        return real

    def _is_reset(self, before: Stretch, after: Stretch) -> bool:
        return transition(before, after, self._rules).kind == "reset"


def _is_still(stretch: Stretch) -> bool:
    return stretch.frames >= _STILL_FRAMES_MIN and stretch.is_still


def _is_of_a_neighbour(stretch: Stretch, few: float) -> bool:
    return stretch.frames < few and stretch.high_mm - stretch.low_mm < SLACK_MM
