"""The transition between two stretches of a camera: missing frames, a change of direction, or an encoder reset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stripwatch.worker.coils.strip.stretches import SLACK_MM, Stretch, StripRules, sign

_HOLE_MM_MAX = 1_000_000
_COMPARED_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Transition:
    """The transition between two stretches.

    kind: "run" if the strip moved from one to the other and frames are missing; "jump" if positions moved ahead as
    after missing frames, but faster than any strip, in which case nothing is shifted to avoid hiding a gap; "reset" if
    the encoder was set. shift_mm: added to the positions after a reset to continue those before.
    """

    kind: Literal["run", "jump", "reset"]
    before_ms: int
    after_ms: int
    shift_mm: int = 0


def transition(before: Stretch, after: Stretch, rules: StripRules) -> Transition:
    """Classify the transition between two stretches.

    The strip moved in a direction only if one of the stretches shows that direction, because it cannot turn twice
    without any frame between. A step against the direction on both sides means that the encoder was set.
    """
    from_ms, to_ms = sorted((before.last.time_ms, after.first.time_ms))  # they overlap if a clock was set back
    step_mm = after.first.position_mm - before.last.position_mm
    way_before = before.way_at_end or after.way_at_start or 1
    way_after = after.way_at_start or way_before
    ran = abs(step_mm) <= SLACK_MM or sign(step_mm) in (way_before, way_after)
    if ran and rules.can_run(before.last, after.first):
        return Transition("run", from_ms, to_ms)
    continued_mm = before.end_mm if way_after > 0 else before.last.position_mm - after.frame_mm
    shift_mm = continued_mm - after.first.position_mm
    jump = 0 <= -shift_mm * way_after <= _HOLE_MM_MAX
    return Transition("jump", from_ms, to_ms) if jump else Transition("reset", from_ms, to_ms, shift_mm)


def common_shifts(cameras: Sequence[Sequence[Transition]]) -> list[list[int]]:
    """Return the shifts of each camera's transitions, with a common shift for simultaneous resets of several cameras.

    The cameras share the strip's encoder. Frames lost around a reset make a camera's own shift too small, so the
    largest shift counts. A shift that differs by more than lost frames can explain belongs to another encoder.
    """
    resets = _resets(cameras)
    if len(resets) > _COMPARED_MAX:
        resets = []
    return [
        [max((other.shift_mm for other in resets if _same(other, one)), default=one.shift_mm) for one in camera]
        for camera in cameras
    ]


def count_resets(cameras: Sequence[Sequence[Transition]]) -> int:
    """Count encoder resets. Simultaneous resets of several cameras count once."""
    distinct: list[Transition] = []
    for reset in sorted(_resets(cameras), key=lambda one: (one.before_ms, one.after_ms, one.shift_mm)):
        recent = distinct[-_COMPARED_MAX:]
        if not any(_same(reset, other) for other in recent):
            distinct.append(reset)
    return len(distinct)


def _resets(cameras: Sequence[Sequence[Transition]]) -> list[Transition]:
    return [one for camera in cameras for one in camera if one.kind == "reset"]


def _same(a: Transition, b: Transition) -> bool:
    at_one_time = a.before_ms <= b.after_ms and b.before_ms <= a.after_ms
    return a.kind == b.kind == "reset" and at_one_time and abs(a.shift_mm - b.shift_mm) <= SLACK_MM
