"""The figures of shifts."""

import csv
import io
from typing import Any

import msgspec
import pytest

from stripwatch.worker.contracts.coil_summary import CoilSummary, FrameCounts
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.dashboard.shifts.shift_table import ShiftFigures, shift_figures, shifts_csv
from stripwatch.worker.dashboard.shifts.shift_times import Shift
from tests.worker.coils.samples import logged, observation

HOUR_MS = 3_600_000
EARLY, LATE = Shift(0, 8 * HOUR_MS), Shift(8 * HOUR_MS, 16 * HOUR_MS)
PLAIN = logged([observation(0, 0, 100_000)])


def coil(ended_h: float, **changes: Any) -> CoilSummary:
    """A coil of 100 m that was captured in the hour before this one, completely inspected."""
    times = {
        name: rfc3339(round(HOUR_MS * hour))
        for name, hour in (("first_captured_at", ended_h - 1), ("last_captured_at", ended_h))
    }
    known = {"frames": FrameCounts(10, 1, 2), "verdicts": {"unsure": 3}, "state": "ok"}
    return msgspec.structs.replace(PLAIN, **(times | known | changes))


def figures(*coils: CoilSummary, since_ms: int | None = None) -> list[ShiftFigures]:
    return shift_figures([EARLY, LATE], coils, "Europe/Berlin", 9 * HOUR_MS, since_ms)


def test_coil_belongs_to_the_shift_in_which_it_ended() -> None:
    early, late = figures(coil(7.9), coil(8), coil(8.5), coil(17), coil(-1))
    assert (early.coils, late.coils) == (1, 2)
    assert (early.start, late.end) == ("1970-01-01T01:00+01:00", "1970-01-01T17:00+01:00")
    assert (early.is_running, late.is_running) == (False, True)


def test_adds_up_the_coils() -> None:
    bent = coil(3, defect_frames={"pits": 3, "crack": 1}, uncovered_mm=50_000, state="alarm")
    early, _ = figures(coil(2, defect_frames={"pits": 6}), bent)
    assert (early.length_mm, early.inspected_mm, early.uncovered_mm) == (200_000, 150_000, 50_000)
    assert early.frames == {"inspected": 20, "skipped": 2, "rejected": 4}
    assert early.unsure == 6
    assert early.defect_frames == {"crack": 1, "pits": 9}
    assert early.defect_frames_per_100_m == {"crack": 0.667, "pits": 6.0}
    assert early.states == {"alarm": 1, "ok": 1}


def test_rates_leave_out_coils_without_a_length() -> None:
    unmeasured = coil(2, length_mm=None, uncovered_mm=None, strip_mm=None, defect_frames={"pits": 50}, state=None)
    early, late = figures(coil(3, defect_frames={"pits": 2}), unmeasured, msgspec.structs.replace(unmeasured, id="b"))
    assert (early.coils, early.coils_without_length) == (3, 2)
    assert early.defect_frames == {"pits": 102}
    assert early.defect_frames_per_100_m == {"pits": 2.0}
    assert early.states == {"none": 2, "ok": 1}
    assert late.defect_frames_per_100_m is None


def test_supplement_adds_frames_but_no_coil() -> None:
    late_frames = coil(2, supplement=True, frames=FrameCounts(4, 0, 0), replaced_rejects=1)
    early, _ = figures(coil(2), late_frames)
    assert (early.coils, early.frames) == (1, {"inspected": 14, "skipped": 1, "rejected": 1})


def test_running_coils_are_not_counted() -> None:
    assert [shift.coils for shift in figures(coil(8.9, ended=None))] == [0, 0]


@pytest.mark.parametrize(("since_ms", "complete"), [(None, True), (0, True), (1, False)])
def test_shift_is_incomplete_if_coils_are_known_only_from_a_later_time(since_ms: int | None, complete: bool) -> None:
    early, late = figures(coil(2), since_ms=since_ms)
    assert (early.is_complete, late.is_complete) == (complete, True)


def test_csv_has_a_row_per_shift_and_no_formulas() -> None:
    rows = list(csv.DictReader(io.StringIO(shifts_csv(figures(coil(2, defect_frames={"=cmd": 2}))))))
    assert [row["coils"] for row in rows] == ["1", "0"]
    assert (rows[0]["frames with =cmd"], rows[0]["per 100 m =cmd"], rows[1]["per 100 m =cmd"]) == ("2", "2.0", "")
    assert rows[0]["length_m"] == "100.0"


def test_adds_up_novel_frames() -> None:
    early, late = figures(coil(2, novel=4), coil(3, novel=1), coil(9))
    assert (early.novel, late.novel) == (5, 0)
    rows = list(csv.DictReader(io.StringIO(shifts_csv([early, late]))))
    assert [row["frames_novel"] for row in rows] == ["5", "0"]
