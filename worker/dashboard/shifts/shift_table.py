"""The figures of shifts, added up over the coils that ended in them."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from stripwatch.worker.coils.grading.coil_state import figures_of
from stripwatch.worker.coils.report import spreadsheet_text
from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.timestamps import parse_rfc3339
from stripwatch.worker.dashboard.shifts.shift_times import Shift, local_time

NOT_GRADED = "none"


class ShiftFigures(msgspec.Struct, frozen=True):
    """The coils that ended in one shift.

    start, end: in the plant's time zone. hours: length of the shift. is_running: the shift has not ended. is_complete:
    False if coils of its beginning may be missing, because they are no longer on Kafka or were not read. coils: number
    of coils. coils_without_length: those of them without a known length. length_mm: length of the others. inspected_mm:
    the part of it that was inspected. uncovered_mm: the part of it that no inspected frame shows. frames: number of
    frames by state. unsure: inspected frames with the verdict unsure. novel: those of them that are novel.
    defect_frames: number of frames with a defect, by class. defect_frames_per_100_m: the same per 100 m of inspected
    strip, over coils with a known length; null if there are none. states: number of coils by state; `none` for
    summaries without a state.
    """

    start: str
    end: str
    hours: float
    is_running: bool
    is_complete: bool
    coils: int
    coils_without_length: int
    length_mm: int
    inspected_mm: int
    uncovered_mm: int
    frames: dict[str, int]
    unsure: int
    defect_frames: dict[str, int]
    defect_frames_per_100_m: dict[str, float] | None
    states: dict[str, int]
    novel: int = 0


def shift_figures(
    shifts: Sequence[Shift], coils: Iterable[CoilSummary], time_zone: str, now_ms: int, since_ms: int | None
) -> list[ShiftFigures]:
    """Add up the coils by shift, in the order of the shifts.

    A coil belongs to the shift in which its last frame was captured. Coils that are still running are not counted.
    since_ms: time from which all coils are known; None if all shifts are complete.
    """
    of_shift: dict[Shift, list[CoilSummary]] = {shift: [] for shift in shifts}
    for coil in coils:
        ended_ms = parse_rfc3339(coil.last_captured_at)
        shift = next((shift for shift in shifts if shift.contains(ended_ms)), None)
        if shift and coil.ended:
            of_shift[shift].append(coil)
    return [_figures(shift, of_shift[shift], time_zone, now_ms, since_ms) for shift in shifts]


def _figures(
    shift: Shift, coils: Sequence[CoilSummary], time_zone: str, now_ms: int, since_ms: int | None
) -> ShiftFigures:
    whole = [coil for coil in coils if not coil.supplement]
    measured = [(coil, mm) for coil in coils if (mm := figures_of(coil).inspected_mm)]
    inspected_mm = sum(mm for _, mm in measured)
    on_measured = sum((Counter(coil.defect_frames) for coil, _ in measured), Counter[str]())
    return ShiftFigures(
        start=local_time(shift.start_ms, time_zone),
        end=local_time(shift.end_ms, time_zone),
        hours=round(shift.hours, 2),
        is_running=shift.contains(now_ms),
        is_complete=since_ms is None or since_ms <= shift.start_ms,
        coils=len(whole),
        coils_without_length=sum(coil.length_mm is None for coil in whole),
        length_mm=sum(coil.length_mm or 0 for coil in coils),
        inspected_mm=inspected_mm,
        uncovered_mm=sum(coil.uncovered_mm or 0 for coil in coils),
        frames=_frames(coils),
        unsure=sum(coil.verdicts.get("unsure", 0) for coil in coils),
        defect_frames=_sorted(sum((Counter(coil.defect_frames) for coil in coils), Counter[str]())),
        defect_frames_per_100_m=(
            {label: round(1e5 * frames / inspected_mm, 3) for label, frames in _sorted(on_measured).items()}
            if inspected_mm
            else None
        ),
        states=_sorted(Counter(coil.state or NOT_GRADED for coil in whole)),
        novel=sum(coil.novel for coil in coils),
    )


def _frames(coils: Sequence[CoilSummary]) -> dict[str, int]:
    frames = sum((Counter(msgspec.structs.asdict(coil.frames)) for coil in coils), Counter[str]())
    frames["rejected"] -= sum(coil.replaced_rejects for coil in coils)
    return {state: max(0, frames[state]) for state in ("inspected", "skipped", "rejected")}


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def shifts_csv(figures: Sequence[ShiftFigures]) -> str:
    """Return one row per shift, and two columns per class: frames with a defect, and the same per 100 m."""
    labels = sorted({label for shift in figures for label in shift.defect_frames})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["start", "end", "hours", "running", "complete", "coils", "length_m", "inspected_m", "uncovered_m"]
    names += ["frames_inspected", "frames_skipped", "frames_rejected", "frames_unsure", "ok", "warning", "alarm"]
    names += ["frames_novel"]
    per_class = [f"{what} {label}" for what in ("frames with", "per 100 m") for label in labels]
    writer.writerow([*names, *map(spreadsheet_text, per_class)])
    for shift in figures:
        rates = shift.defect_frames_per_100_m
        row: list[Any] = [shift.start, shift.end, shift.hours, _yes(shift.is_running), _yes(shift.is_complete)]
        row += [shift.coils, *(mm / 1000 for mm in (shift.length_mm, shift.inspected_mm, shift.uncovered_mm))]
        row += [
            *shift.frames.values(),
            shift.unsure,
            *(shift.states.get(s, 0) for s in ("ok", "warning", "alarm")),
            shift.novel,
        ]
        row += [shift.defect_frames.get(label, 0) for label in labels]
        row += ["" if rates is None else rates.get(label, 0) for label in labels]
        writer.writerow(row)
    return text.getvalue()


def _yes(value: bool) -> str:
    return "yes" if value else "no"
