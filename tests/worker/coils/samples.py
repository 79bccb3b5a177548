"""Sample observations, defects and results of coils."""

from dataclasses import replace
from typing import Any

from stripwatch.worker.coils.strip.stretches import StripRules
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.contracts.coil_summary import CoilSummary, PixelSpan, StripDefect
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame_info import StripSpan
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from tests.worker.pipeline.samples import CAMERAS, prediction

RULES = CoilRules(settle_s=10, silence_s=120, correctable_s=300, frames_max=5)
WIDE = replace(RULES, frames_max=10_000)
EPOCH_S = 1_700_000_000
FRAME_MM = 100


def defect(
    start: int, end: int, rows: tuple[int, int] | None = None, score: float = 0.9, **changes: Any
) -> StripDefect:
    names: dict[str, Any] = {"label": "scratches", "camera": "top-1", "event_id": f"e{start}"} | changes
    across = PixelSpan(*rows) if rows else None
    return StripDefect(strip_mm=StripSpan(start, end), across_px=across, score=score, parts=1, **names)


def observation(number: int = 0, start: int | None = 0, end: int | None = None, **changes: object) -> Observation:
    """Build frame `number` of top-1, inspected and clean, with a known scale if `end` is given."""
    span = None if start is None or end is None else StripSpan(start, end)
    plain = Observation(f"f{number}", "/l", "C1", "top-1", 1000 + number, "inspected", "clean", start, span, (), ())
    return replace(plain, **changes)  # type: ignore[arg-type]


def logged(observations: list[Observation], rules: StripRules | None = None) -> CoilSummary:
    log = CoilAggregate(observations[0], rules)
    for one in observations[1:]:
        log.add(one)
    return log.summary("next-coil")


def frame(
    second: int, bad: bool = False, behind_s: float = 0, recorded_s: float | None = None, **more: Any
) -> Observation:
    """Build one frame per second and camera, each showing 100 mm.

    behind_s: delay of the camera's clock. recorded_s: time at which the result was written.
    """
    coil, camera = more.get("coil", "C1"), more.get("camera", "top-1")
    start = FRAME_MM * more.pop("place", second)
    name = f"{coil}-{camera}-{second}"
    shown = (defect(start, start + 10, camera=camera, event_id=name),) if bad else ()
    return observation(
        second,
        start,
        start + FRAME_MM,
        id=name,
        captured_ms=round(1000 * (EPOCH_S + second - behind_s)),
        recorded_ms=round(1000 * (EPOCH_S + (second if recorded_s is None else recorded_s))),
        verdict="defect" if bad else "clean",
        defects=shown,
        **more,
    )


def result(**frame: Any) -> Result:
    return EventBuilder(CAMERAS).result(prediction((0.1, 0.9), **frame), 0.0)
