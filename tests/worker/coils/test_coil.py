import random
from dataclasses import replace
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.coil import CoilAggregate, CoilSummary, FrameCounts
from stripwatch.worker.coils.observations import Observation
from stripwatch.worker.coils.report import as_csv, as_table
from stripwatch.worker.contracts.events import FrameFlag, StripSpan
from tests.worker.coils.test_strip_defects import defect


def observation(number: int = 0, start: int | None = 0, end: int | None = None, **changes: object) -> Observation:
    """Frame `number` of top-1, inspected and clean; of a known scale where end is given."""
    span = None if start is None or end is None else StripSpan(start, end)
    plain = Observation(f"f{number}", "/l", "C1", "top-1", 1000 + number, "inspected", "clean", start, span, (), ())
    return replace(plain, **changes)  # type: ignore[arg-type]


def logged(observations: list[Observation]) -> CoilSummary:
    log = CoilAggregate(observations[0])
    for one in observations[1:]:
        log.add(one)
    return log.summary("next-coil")


def test_a_coil_adds_up() -> None:
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


def test_without_a_scale_nothing_is_reported_of_coverage() -> None:
    found = logged([observation(0, 0), observation(1, 500)])
    assert (found.length_mm, found.uncovered_mm, found.gaps) == (500, None, [])
    assert found.cameras["top-1"].uncovered_mm is None


def test_without_positions_nothing_is_reported_of_lengths() -> None:
    found = logged([observation(0, None, unplaced=("pits",)), observation(1, None)])
    assert (found.strip_mm, found.length_mm, found.uncovered_mm) == (None, None, None)
    assert found.defects == {"pits": 1}


def test_a_camera_that_saw_nothing_covers_nothing() -> None:
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
def test_neither_order_nor_repeats_change_a_summary(observations: list[Observation], rng: random.Random) -> None:
    again = observations + rng.choices(observations, k=len(observations))
    rng.shuffle(again)
    assert logged(again) == logged(observations)


@given(coils())
def test_coverage_and_gaps_are_the_span(observations: list[Observation]) -> None:
    found = logged(observations)
    assert found.strip_mm is not None
    assert found.frames.inspected + found.frames.skipped + found.frames.rejected == len(observations)
    covered = {mm for one in observations if one.span_mm for mm in range(one.span_mm.start, one.span_mm.end)}
    if covered:
        assert found.uncovered_mm == found.strip_mm.end - found.strip_mm.start - len(covered)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_frame_that_was_sent_again_counts_once(order: tuple[int, ...]) -> None:
    """Its reject, and the results of two replays, in any order."""
    first = replace(observation(1), state="rejected", verdict=None, span_mm=None)
    events = [first, *(replace(observation(number), replay_of=first.id) for number in (7, 8))]
    aggregate = CoilAggregate(observation(0))
    for number in order:
        aggregate.add(events[number])
    assert aggregate.summary().frames == FrameCounts(inspected=2, skipped=0, rejected=0)
    assert aggregate.frames == 2


def test_a_frame_that_is_rejected_again_is_one_reject() -> None:
    first = replace(observation(1), state="rejected", verdict=None, span_mm=None)
    aggregate = CoilAggregate(first)
    assert not aggregate.add(replace(first, id="again", replay_of=first.id))
    assert aggregate.summary().frames == FrameCounts(inspected=0, skipped=0, rejected=1)


def test_flagged_frames_are_counted_once_each_and_for_each_flag() -> None:
    flagged = observation(1, verdict="unsure", flags=(FrameFlag.SIZE, FrameFlag.DAMAGED))
    frames = [observation(0), flagged, flagged, observation(2, verdict="unsure"), replace(flagged, id="f3")]
    found = logged(frames)
    assert found.verdicts == {"clean": 1, "unsure": 3}
    assert (found.flagged, found.flags) == (2, {"damaged": 2, "size": 2})
    assert logged(frames[:1]).flags == {}
    columns, row = (line.split(",") for line in as_csv([found]).splitlines())
    assert dict(zip(columns, row, strict=True))["frames_flagged"] == "2"
    assert dict(zip(columns, row, strict=True))["frames_unsure"] == "3"
    assert [column.header for column in as_table([found]).columns][4:7] == ["frames", "unsure", "flagged"]
