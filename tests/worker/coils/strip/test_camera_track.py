"""Positions that cannot be true, encoders that are reset, strips that run backwards."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.coil import CoilAggregate
from stripwatch.worker.coils.observations import Observation
from stripwatch.worker.coils.strip.camera_track import CONFIRMED_FRAMES
from stripwatch.worker.coils.strip.stretches import SLACK_MM
from stripwatch.worker.contracts.events import StripDirection, StripSpan
from tests.worker.coils.samples import defect, logged, observation

FRAME_MM, FRAME_MS = 200, 20  # 10 m/s


def taken(positions: list[int], camera: str = "top-1", **changes: object) -> list[Observation]:
    """A frame of 200 mm every 20 ms, at these positions."""
    return [
        replace(
            observation(0, position, position + FRAME_MM, camera=camera, **changes),
            id=f"{camera}-{number}",
            captured_ms=1_000 + number * FRAME_MS,
        )
        for number, position in enumerate(positions)
    ]


STEADY = [number * FRAME_MM for number in range(100)]


@pytest.mark.parametrize("wrong", [2**53 - 1, 2**32 - 1, -(2**31), 10**12, 31_000])
@pytest.mark.parametrize("at", [0, 1, 50, 98, 99])
def test_one_wrong_position_costs_the_place_of_one_frame(wrong: int, at: int) -> None:
    found = logged(taken([*STEADY[:at], wrong, *STEADY[at + 1 :]]))
    assert found.position_faults == found.cameras["top-1"].position_faults == {"outlier": 1}
    edge = at in (0, 99)  # nothing says that the strip was longer
    assert (found.length_mm, found.uncovered_mm) == ((19_800, 0) if edge else (20_000, FRAME_MM))
    assert found.frames.inspected == 100


def test_a_defect_at_a_place_that_is_not_used_is_counted_without_a_place() -> None:
    frames = taken(STEADY)
    wrong = 10**10
    span = StripSpan(wrong, wrong + FRAME_MM)
    seen = (defect(wrong, wrong + 50, event_id="x"),)
    frames[50] = replace(frames[50], position_mm=wrong, span_mm=span, defects=seen, verdict="defect")
    found = logged(frames)
    assert (found.defects, found.strip_defects, found.worst) == ({"scratches": 1}, [], None)


@pytest.mark.parametrize(
    "positions",
    [
        [*(30_000 + mm for mm in STEADY[:50]), *STEADY[:50]],
        [*STEADY[:50], *(70_000_000 + mm for mm in STEADY[:50])],
        [(2**32 - 10_000 + mm) % 2**32 for mm in STEADY],
    ],
    ids=["reset to 0", "set to another value", "32-bit wrap"],
)
def test_after_a_reset_the_strip_continues(positions: list[int]) -> None:
    frames = taken(positions)
    frames = [replace(one, defects=(defect(at, at + 200, (0, 9)),)) for one, at in zip(frames, positions, strict=True)]
    found = logged(frames)
    assert (found.length_mm, found.uncovered_mm, found.gaps_total) == (20_000, 0, 0)
    assert found.position_faults == {"reset": 1}
    (edge,) = found.strip_defects
    assert (edge.strip_mm, edge.parts) == (found.strip_mm, 100), "a defect along the whole coil is one"


def test_a_reset_while_the_strip_runs_backwards() -> None:
    """The frame after it lies before the one before it."""
    back = [30_000 + mm for mm in reversed(STEADY[50:])]
    further = [90_000 + mm for mm in reversed(STEADY[:50])]
    positions = [*(30_000 + mm for mm in STEADY), *back, *further]
    found = logged([replace(one, direction="reverse") for one in taken(positions)])
    assert (found.strip_mm, found.uncovered_mm) == (StripSpan(30_000, 50_000), 0)
    assert found.position_faults == {"reset": 1}


def test_a_reset_to_0_while_the_strip_stands_for_minutes() -> None:
    """The strip could have run back in the time, but seldom to 0, and without a frame."""
    frames = taken([*(30_000 + mm for mm in STEADY[:50]), *STEADY[:50]])
    stopped = [replace(one, captured_ms=one.captured_ms + 300_000) for one in frames[50:]]
    found = logged(frames[:50] + stopped)
    assert (found.length_mm, found.uncovered_mm, found.position_faults) == (20_000, 0, {"reset": 1})


def test_a_reset_close_to_the_start_is_within_reach() -> None:
    """Of less than 10 m nothing is said, since frames may carry the time at which they were sent."""
    found = logged(taken([*STEADY[:20], *STEADY[:20]]))
    assert (found.length_mm, found.position_faults) == (4_000, {"reversed": 1})


def test_a_reset_that_several_cameras_see_is_at_one_place() -> None:
    """The encoder belongs to the strip. top-2 lost the three frames about the reset."""
    positions = [*(30_000 + mm for mm in STEADY[:60]), *STEADY[:40]]
    lost = [one for number, one in enumerate(taken(positions, "top-2")) if number not in (59, 60, 61)]
    found = logged(sorted(taken(positions) + lost, key=lambda one: one.captured_ms))
    assert (found.length_mm, found.uncovered_mm, found.partly_uncovered_mm) == (20_000, 0, 600)
    assert found.cameras["top-2"].uncovered_mm == 600
    assert found.position_faults == {"reset": 1}


def test_the_last_frames_of_a_coil_that_state_the_next_one_are_outliers() -> None:
    found = logged(taken([*(50_000 + mm for mm in STEADY), 0, 200]))
    assert (found.strip_mm, found.position_faults) == (StripSpan(50_000, 70_000), {"outlier": 2})


@pytest.mark.parametrize("few", [3, 9])
def test_frames_that_state_positions_of_the_coil_before_or_after_shift_nothing(few: int) -> None:
    """top-1 has them, top-2 has not: both must still show the same strip."""
    stale = [5_000_000 + mm for mm in STEADY[:few]]
    early = taken([*stale, *STEADY, *STEADY[:few]])
    late = [replace(one, captured_ms=one.captured_ms + few * FRAME_MS) for one in taken(STEADY, "top-2")]
    found = logged(early + late)
    assert (found.strip_mm, found.uncovered_mm, found.partly_uncovered_mm) == (StripSpan(0, 20_000), 0, 0)
    assert found.position_faults["outlier"] >= few


def test_of_two_frames_that_contradict_each_other_the_first_counts() -> None:
    found = logged(taken([0, 10**9]))
    assert (found.strip_mm, found.position_faults) == (StripSpan(0, 200), {"outlier": 1})


def test_a_hole_as_long_as_a_stop_allows_is_a_hole() -> None:
    frames = taken([*STEADY[:50], *(mm + 100_000 for mm in STEADY[50:])])
    slow = [replace(one, captured_ms=one.captured_ms + 10_000) for one in frames[50:]]
    found = logged(frames[:50] + slow)
    assert (found.length_mm, found.uncovered_mm, found.position_faults) == (120_000, 100_000, {})


REVERSING = [*STEADY[:60], *reversed(STEADY[20:60]), *STEADY[20:]]


@pytest.mark.parametrize("direction", [None, "forward", "reverse"])
def test_a_strip_that_runs_backwards_is_covered_once(direction: StripDirection | None) -> None:
    """No fault where the camera says so; else its boxes may be mirrored, and the summary says of how many frames."""
    forward: StripDirection | None = "forward" if direction else None
    stated = [*[forward] * 60, *[direction] * 40, *[forward] * 80]
    frames = [replace(one, direction=way) for one, way in zip(taken(REVERSING), stated, strict=True)]
    found = logged(frames)
    assert (found.length_mm, found.uncovered_mm, found.frames.inspected) == (20_000, 0, 180)
    assert found.position_faults == ({} if direction == "reverse" else {"reversed": 39})


def test_the_encoder_of_a_standing_strip_may_move_a_little() -> None:
    found = logged(taken([*STEADY, *[19_800 - number % 3 for number in range(100)]]))
    assert (found.length_mm, found.position_faults) == (20_000, {})


def test_a_hole_between_frames_of_the_same_time_is_not_hidden() -> None:
    """Frames that waited were sent together, and their records have one time."""
    positions = [*STEADY[:50], *(mm + 12_000 for mm in STEADY[50:])]
    frames = [replace(one, captured_ms=1_000) for one in taken(positions)]
    found = logged(frames)
    assert (found.length_mm, found.gaps) == (32_000, [StripSpan(10_000, 22_000)])
    assert found.position_faults == {"jump": 1}


def test_a_clock_that_is_set_back_ruins_no_length() -> None:
    """The strip runs on, and the times are 5 s earlier from then on: frames of two places have the same times."""
    positions = [number * FRAME_MM for number in range(1000)]
    frames = taken(positions)
    frames = frames[:600] + [replace(one, captured_ms=one.captured_ms - 5_003) for one in frames[600:]]
    found = logged(frames)
    assert (found.length_mm, found.uncovered_mm) == (200_000, 0)


def test_a_reject_that_is_sent_again_has_one_place() -> None:
    frames = taken(STEADY)
    frames[50] = replace(frames[50], position_mm=10**9, span_mm=StripSpan(10**9, 10**9 + FRAME_MM))
    for at in (30, 50):
        reject = replace(frames[at], state="rejected", verdict=None, span_mm=None)
        again = replace(frames[at], id=f"again-{at}", replay_of=frames[at].id, defects=(defect(at, at),))
        frames[at] = reject
        frames.append(again)
    found = logged(frames)
    assert (found.position_faults, found.uncovered_mm) == ({"outlier": 1}, FRAME_MM)
    assert (found.defects, len(found.strip_defects)) == ({"scratches": 2}, 1)


@st.composite
def encoders(draw: st.DrawFn) -> list[int]:
    """Positions of a strip that runs to and fro, with lost frames, resets, and single and double wrong values."""
    positions: list[int] = []
    at = 0
    for _ in range(draw(st.integers(1, 5))):
        step = draw(st.sampled_from([FRAME_MM, -FRAME_MM, 0, 3 * FRAME_MM]))
        for _ in range(draw(st.integers(1, 12))):
            positions.append(at)
            at += step
        match draw(st.sampled_from(["no fault", "lost", "reset", "wrong", "wrong twice"])):
            case "lost":
                at += draw(st.sampled_from([12_000, -12_000, 300_000]))
            case "reset":
                at = draw(st.sampled_from([0, 10**7, -(10**8)]))
            case "wrong":
                positions.append(draw(st.sampled_from([10**9, 2**53 - 1])))
            case "wrong twice":
                positions += draw(st.sampled_from([[10**9, 10**9 + FRAME_MM], [10**9, -(10**9)]]))
    return positions


@given(encoders(), st.sampled_from([0, 1, 7]), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(positions: list[int], late: int, rng: random.Random) -> None:
    frames = taken(positions)
    for number in range(0, len(frames), 4):  # of rejected ones too
        frames[number] = replace(frames[number], state="rejected", verdict=None, span_mm=None)
    frames = [
        replace(one, defects=(defect(one.position_mm or 0, (one.position_mm or 0) + 50),)) if one.span_mm else one
        for one in frames
    ]
    arrived = sorted(enumerate(frames), key=lambda entry: entry[0] + rng.random() * late)
    anywhere = rng.sample(frames, len(frames))
    in_order = logged(frames)
    assert logged([one for _, one in arrived]) == in_order
    assert logged(anywhere) == in_order
    aggregate = CoilAggregate(anywhere[0])
    for one in anywhere[1:]:
        aggregate.add(one)
        aggregate.summary()  # looking at it meanwhile changes nothing
    assert aggregate.summary("next-coil") == in_order


@given(encoders())
def test_every_frame_has_a_place_or_is_an_outlier(positions: list[int]) -> None:
    found = logged(taken(positions))
    assert found.length_mm is not None
    faults = found.position_faults
    furthest_mm = (len(positions) + 1) * (SLACK_MM + 50 * FRAME_MS) + faults.get("jump", 0) * 1_000_000
    assert found.length_mm <= furthest_mm, "no further than a strip can run, except for holes"
    assert len(positions) >= faults.get("outlier", 0) + CONFIRMED_FRAMES * bool(faults.get("reset"))
