import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stripwatch.worker.coils.report import as_csv, as_table
from stripwatch.worker.coils.strip.stretches import StripRules
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.observations import NOVEL, Observation
from stripwatch.worker.contracts.coil_summary import CameraSummary, FrameCounts
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.contracts.frame_info import StripSpan
from tests.worker.coils.samples import defect, logged, observation


def test_summary_adds_up_the_frames_of_a_coil() -> None:
    scratch = defect(150, 260, (0, 9), 0.8)
    found = logged(
        [
            observation(0, 0, 200, defects=(scratch,), verdict="defect"),
            observation(1, 180, 380, defects=(defect(200, 300, (0, 9), 0.95, event_id="f1"),), verdict="defect"),
            observation(2, 380, state="rejected", verdict=None),
            observation(3, 580, state="skipped", verdict=None),
            observation(4, 700, 900, camera="top-2", unplaced=("pits",), verdict="defect"),
        ]
    )
    assert (found.strip_mm, found.length_mm, found.uncovered_mm) == (StripSpan(0, 900), 900, 320)
    assert found.gaps == [StripSpan(380, 700)]
    assert msgspec.structs.asdict(found.frames) == {"inspected": 3, "skipped": 1, "rejected": 1}
    assert (found.defects, found.verdicts) == ({"pits": 1, "scratches": 1}, {"defect": 3})
    assert found.worst is not None
    assert (found.worst.score, found.worst.strip_mm, found.worst.event_id) == (0.95, StripSpan(150, 300), "f1")
    assert {name: camera.uncovered_mm for name, camera in found.cameras.items()} == {"top-1": 520, "top-2": 700}
    assert (found.first_captured_at, found.last_captured_at) == ("1970-01-01T00:00:01.000Z", "1970-01-01T00:00:01.004Z")


def test_coverage_is_unknown_without_a_scale() -> None:
    found = logged([observation(0, 0), observation(1, 500)])
    assert (found.length_mm, found.uncovered_mm, found.gaps) == (500, None, [])
    assert found.cameras["top-1"].uncovered_mm is None


def test_lengths_are_unknown_without_positions() -> None:
    found = logged([observation(0, None, unplaced=("pits",)), observation(1, None)])
    assert (found.strip_mm, found.length_mm, found.uncovered_mm) == (None, None, None)
    assert found.defects == {"pits": 1}


def test_camera_without_inspected_frames_covers_nothing() -> None:
    found = logged([observation(0, 0, 300), observation(1, 100, state="rejected", camera="top-2")])
    assert found.cameras["top-2"].uncovered_mm == 300


@st.composite
def coils(draw: st.DrawFn) -> list[Observation]:
    count = draw(st.integers(1, 20))
    observations = []
    for number in range(count):
        start = draw(st.integers(0, 2000))
        states = st.sampled_from(["inspected", "skipped", "rejected"])
        state, camera = draw(states), draw(st.sampled_from(["top-1", "top-2"]))
        end = start + draw(st.integers(1, 300)) if state == "inspected" else None
        shown = (defect(start, start + 50, camera=camera, event_id=f"f{number}"),) if draw(st.booleans()) else ()
        observations.append(observation(number, start, end, state=state, camera=camera, defects=shown if end else ()))
    return observations


@given(coils(), st.randoms())
def test_summary_is_independent_of_order_and_repeats(observations: list[Observation], rng: random.Random) -> None:
    again = observations + rng.choices(observations, k=len(observations))
    rng.shuffle(again)
    assert logged(again) == logged(observations)


@given(coils())
def test_coverage_and_gaps_add_up_to_the_strip(observations: list[Observation]) -> None:
    found = logged(observations, StripRules(gap_tolerance_mm=0))
    assert found.strip_mm is not None
    assert found.frames.inspected + found.frames.skipped + found.frames.rejected == len(observations)
    covered = {mm for one in observations if one.span_mm for mm in range(one.span_mm.start, one.span_mm.end)}
    if covered:
        assert found.uncovered_mm == found.strip_mm.end - found.strip_mm.start - len(covered)


@st.composite
def strips(draw: st.DrawFn) -> tuple[list[Observation], int, float]:
    """Draw adjacent frames of any scale and start, with one gap, and the length of the gap in whole millimetres.

    Positions are rounded as by senders (round, floor or ceil) and by the worker (`event_builder.strip_span`).
    """
    frame_mm = draw(st.integers(8, 8192)) * draw(st.floats(0.01, 5))
    first_mm = draw(st.floats(-1e9, 1e9))
    to_int: list[Callable[[float], int]] = [round, math.floor, math.ceil]
    stated = draw(st.sampled_from(to_int))
    hole_mm = draw(st.just(0.0) | st.floats(2.5, 100_000))
    fewest = 1 if hole_mm < 9_000 else 3  # the positions of fewer frames far from all others are not used
    before, after = draw(st.integers(fewest, 60)), draw(st.integers(fewest, 60))
    places = [first_mm + number * frame_mm for number in range(before)]
    places += [first_mm + hole_mm + number * frame_mm for number in range(before, before + after)]
    long_mm = round(frame_mm)
    spans = [(stated(place), stated(place) + long_mm) for place in places]
    hour_ms = 3_600_000  # far apart in time, because this test is not about speed
    frames = [observation(n, *span, captured_ms=n * hour_ms) for n, span in enumerate(spans) if long_mm]
    return frames, before, hole_mm


@given(strips())
def test_adjacent_frames_leave_no_gap_and_missing_frames_an_exact_one(
    strip: tuple[list[Observation], int, float],
) -> None:
    frames, before, hole_mm = strip
    assume(frames)
    found = logged(frames)
    assert found.strip_mm is not None
    assert found.length_mm == max(one.span_mm.end for one in frames if one.span_mm) - found.strip_mm.start
    if not hole_mm:
        assert (found.uncovered_mm, found.gaps, found.gaps_total) == (0, [], 0)
        return
    (gap,) = found.gaps
    assert gap.end == frames[before].position_mm
    assert found.uncovered_mm == gap.end - gap.start == pytest.approx(hole_mm, abs=1.5)


def test_rounding_does_not_split_a_defect() -> None:
    """An edge defect runs along frames of 200.4 mm, whose ends are rounded to different millimetres."""
    frames = []
    for number in range(100):
        start = round(number * 200.4)
        seen = (defect(start, start + 200, (0, 9), event_id=f"f{number}"),)
        frames.append(observation(number, start, start + 200, defects=seen, verdict="defect"))
    found = logged(frames)
    assert found.defects == {"scratches": 1}
    assert found.strip_defects[0].strip_mm == found.strip_mm


def test_longest_gaps_are_listed_first_and_all_are_counted() -> None:
    frames = [observation(number, number * 205, number * 205 + 200) for number in range(1000)]
    lost = [one for number, one in enumerate(frames) if number not in (700, 701, 400)]
    found = logged(lost)
    assert (found.gaps_total, len(found.gaps)) == (996, 200)
    assert found.gaps[:3] == [StripSpan(143_495, 143_910), StripSpan(81_995, 82_205), StripSpan(200, 205)]
    assert found.uncovered_mm == 994 * 5 + 415 + 210


def test_gap_tolerance_can_exceed_rounding() -> None:
    frames = [observation(number, number * 205, number * 205 + 200) for number in range(100)]
    assert logged(frames, StripRules(gap_tolerance_mm=5)).uncovered_mm == 0


@pytest.mark.parametrize("state", ["rejected", "skipped"])
def test_frames_that_were_not_inspected_cover_nothing(state: str) -> None:
    found = logged([observation(number, number * 200, state=state, verdict=None) for number in range(10)])
    assert (found.length_mm, found.uncovered_mm, found.partly_uncovered_mm) == (1800, 1800, 1800)
    assert found.gaps == [StripSpan(0, 1800)]
    assert found.cameras["top-1"].uncovered_mm == 1800


def test_stretch_missed_by_one_camera_is_partly_uncovered() -> None:
    found = logged([observation(0, 0, 300), observation(1, 200, 500, camera="top-2"), observation(2, 900, 1000)])
    assert (found.uncovered_mm, found.partly_uncovered_mm) == (400, 900)


def test_silent_expected_camera_covers_nothing() -> None:
    aggregate = CoilAggregate(observation(0, 0, 300))
    aggregate.expected = ["top-1", "top-2"]
    found = aggregate.summary()
    assert (found.cameras_silent, found.uncovered_mm, found.partly_uncovered_mm) == (["top-2"], 0, 300)
    assert found.cameras["top-2"] == CameraSummary(FrameCounts(0, 0, 0), 300)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_replayed_frame_counts_once(order: tuple[int, ...]) -> None:
    """The events are a reject and the results of two replays, in any order."""
    first = replace(observation(1), state="rejected", verdict=None, span_mm=None)
    events = [first, *(replace(observation(number), replay_of=first.id) for number in (7, 8))]
    aggregate = CoilAggregate(observation(0))
    for number in order:
        aggregate.add(events[number])
    assert aggregate.summary().frames == FrameCounts(inspected=2, skipped=0, rejected=0)
    assert aggregate.frames == 2


def test_frame_rejected_twice_is_one_reject() -> None:
    first = replace(observation(1), state="rejected", verdict=None, span_mm=None)
    aggregate = CoilAggregate(first)
    assert not aggregate.add(replace(first, id="again", replay_of=first.id))
    assert aggregate.summary().frames == FrameCounts(inspected=0, skipped=0, rejected=1)


def test_counts_flagged_frames_in_total_and_per_flag() -> None:
    flagged = observation(1, verdict="unsure", flags=(FrameFlag.SIZE, FrameFlag.DAMAGED))
    frames = [observation(0), flagged, flagged, observation(2, verdict="unsure"), replace(flagged, id="f3")]
    found = logged(frames)
    assert found.verdicts == {"clean": 1, "unsure": 3}
    assert (found.flagged, found.flags) == (2, {"damaged": 2, "size": 2})
    assert logged(frames[:1]).flags == {}
    columns, row = (line.split(",") for line in as_csv([found]).splitlines())
    assert dict(zip(columns, row, strict=True))["frames_flagged"] == "2"
    assert dict(zip(columns, row, strict=True))["frames_unsure"] == "3"
    headers = [column.header for column in as_table([found]).columns]
    assert headers[headers.index("frames") :][:3] == ["frames", "unsure", "flagged"]


def test_table_and_csv_contain_faults() -> None:
    aggregate = CoilAggregate(observation(0, 0, 300))
    for number, start in enumerate((300, 600, 10**9, 900), start=1):
        aggregate.add(observation(number, start, start + 300))
    plain = aggregate.summary()
    aggregate.expected = ["top-1", "=top-2"]
    found = aggregate.summary()
    columns, row = (line.split(",") for line in as_csv([found]).splitlines())
    told = dict(zip(columns, row, strict=True))
    assert (told["partly_uncovered_m"], told["cameras_silent"]) == ("1.200", "'=top-2")
    assert (told["positions_outlier"], told["positions_reset"], told["positions_reversed"]) == ("1", "0", "0")
    cells = {str(column.header): list(column.cells) for column in as_table([plain, found]).columns}
    assert cells["silent cameras"] == ["", "=top-2"]
    assert cells["position faults"] == ["outlier 1", "outlier 1"]
    assert "silent cameras" not in {column.header for column in as_table([logged([observation(0, 0, 300)])]).columns}


def test_novel_frames_are_counted_and_are_no_defects() -> None:
    place, later = defect(0, 100, label=NOVEL), defect(200, 300, label=NOVEL)
    frames = [
        observation(0, 0, 100, verdict="unsure", is_novel=True, novel=place),
        observation(1, 100, 200, verdict="defect", defects=(defect(110, 120),)),
        observation(
            2,
            200,
            300,
            verdict="unsure",
            is_novel=True,
            novel=later,
        ),
        observation(3, None, verdict="unsure", is_novel=True),
    ]
    found = logged([*frames, frames[0]])
    assert (found.novel, found.verdicts) == (3, {"defect": 1, "unsure": 3})
    assert (found.defects, found.strip_defects_total, found.defect_frames) == ({"scratches": 1}, 1, {"scratches": 1})
    assert [each.label for each in found.strip_defects] == ["scratches"]
    assert found.worst is not None
    assert found.worst.label == "scratches"
    columns, row = (line.split(",") for line in as_csv([found]).splitlines())
    assert dict(zip(columns, row, strict=True))["frames_novel"] == "3"
    cells = {str(column.header): list(column.cells) for column in as_table([found]).columns}
    assert cells["novel"] == ["3"]
    assert "novel" not in {column.header for column in as_table([logged([observation(0)])]).columns}


def test_a_novel_frame_whose_position_is_an_outlier_is_no_defect_of_the_coil() -> None:
    frames = [observation(number, start, start + 300) for number, start in enumerate((0, 300, 600, 900))]
    place = defect(10**9, 10**9 + 300, label=NOVEL)
    outlier = observation(9, 10**9, 10**9 + 300, verdict="unsure", is_novel=True, novel=place)
    found = logged([*frames[:3], outlier, frames[3]])
    assert (found.novel, found.defects, found.position_faults) == (1, {}, {"outlier": 1})
