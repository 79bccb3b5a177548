"""Impossible positions, encoder resets, and strips that run backwards."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.strip.camera_track import CONFIRMED_FRAMES
from stripwatch.worker.coils.strip.stretches import SLACK_MM
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.contracts.frame_info import StripDirection, StripSpan
from tests.worker.coils.samples import defect, logged, observation

FRAME_MM, FRAME_MS = 200, 20  # 10 m/s


def taken(positions: list[int], camera: str = "top-1", **changes: object) -> list[Observation]:
    """Build frames of 200 mm, one every 20 ms, at these positions."""
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
def test_one_wrong_position_affects_only_its_frame(wrong: int, at: int) -> None:
    found = logged(taken([*STEADY[:at], wrong, *STEADY[at + 1 :]]))
    assert found.position_faults == found.cameras["top-1"].position_faults == {"outlier": 1}
    edge = at in (0, 99)  # nothing indicates that the strip was longer
    assert (found.length_mm, found.uncovered_mm) == ((19_800, 0) if edge else (20_000, FRAME_MM))
    assert found.frames.inspected == 100


def test_defect_at_an_unused_position_counts_as_unplaced() -> None:
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
def test_strip_continues_after_a_reset(positions: list[int]) -> None:
    frames = taken(positions)
    frames = [replace(one, defects=(defect(at, at + 200, (0, 9)),)) for one, at in zip(frames, positions, strict=True)]
    found = logged(frames)
    assert (found.length_mm, found.uncovered_mm, found.gaps_total) == (20_000, 0, 0)
    assert found.position_faults == {"reset": 1}
    (edge,) = found.strip_defects
    assert (edge.strip_mm, edge.parts) == (found.strip_mm, 100), "a defect along the whole coil is one defect"


def test_reset_while_the_strip_runs_backwards() -> None:
    """The frame after the reset is at a lower strip position than the one before it."""
    back = [30_000 + mm for mm in reversed(STEADY[50:])]
    further = [90_000 + mm for mm in reversed(STEADY[:50])]
    positions = [*(30_000 + mm for mm in STEADY), *back, *further]
    found = logged([replace(one, direction="reverse") for one in taken(positions)])
    assert (found.strip_mm, found.uncovered_mm) == (StripSpan(30_000, 50_000), 0)
    assert found.position_faults == {"reset": 1}


def test_reset_to_0_while_the_strip_is_stopped_for_minutes() -> None:
    """The strip had time to run back, but it would hardly stop at exactly 0 without any frame in between."""
    frames = taken([*(30_000 + mm for mm in STEADY[:50]), *STEADY[:50]])
    stopped = [replace(one, captured_ms=one.captured_ms + 300_000) for one in frames[50:]]
    found = logged(frames[:50] + stopped)
    assert (found.length_mm, found.uncovered_mm, found.position_faults) == (20_000, 0, {"reset": 1})


def test_reset_of_less_than_10_m_is_taken_for_a_backward_run() -> None:
    """Steps of less than 10 m are not resets, because frames may state their sending time as capture time."""
    found = logged(taken([*STEADY[:20], *STEADY[:20]]))
    assert (found.length_mm, found.position_faults) == (4_000, {"reversed": 1})


def test_reset_seen_by_several_cameras_is_at_one_position() -> None:
    """All cameras share the encoder. top-2 lost the three frames around the reset."""
    positions = [*(30_000 + mm for mm in STEADY[:60]), *STEADY[:40]]
    lost = [one for number, one in enumerate(taken(positions, "top-2")) if number not in (59, 60, 61)]
    found = logged(sorted(taken(positions) + lost, key=lambda one: one.captured_ms))
    assert (found.length_mm, found.uncovered_mm, found.partly_uncovered_mm) == (20_000, 0, 600)
    assert found.cameras["top-2"].uncovered_mm == 600
    assert found.position_faults == {"reset": 1}


def test_last_frames_with_positions_of_the_next_coil_are_outliers() -> None:
    found = logged(taken([*(50_000 + mm for mm in STEADY), 0, 200]))
    assert (found.strip_mm, found.position_faults) == (StripSpan(50_000, 70_000), {"outlier": 2})


@pytest.mark.parametrize("few", [3, 9])
def test_frames_with_positions_of_neighbouring_coils_cause_no_shift(few: int) -> None:
    """Only top-1 has such frames, but both cameras must show the same strip."""
    stale = [5_000_000 + mm for mm in STEADY[:few]]
    early = taken([*stale, *STEADY, *STEADY[:few]])
    late = [replace(one, captured_ms=one.captured_ms + few * FRAME_MS) for one in taken(STEADY, "top-2")]
    found = logged(early + late)
    assert (found.strip_mm, found.uncovered_mm, found.partly_uncovered_mm) == (StripSpan(0, 20_000), 0, 0)
    assert found.position_faults["outlier"] >= few


def test_first_of_two_contradicting_frames_counts() -> None:
    found = logged(taken([0, 10**9]))
    assert (found.strip_mm, found.position_faults) == (StripSpan(0, 200), {"outlier": 1})


def test_gap_that_the_strip_could_run_in_the_time_is_a_gap() -> None:
    frames = taken([*STEADY[:50], *(mm + 100_000 for mm in STEADY[50:])])
    slow = [replace(one, captured_ms=one.captured_ms + 10_000) for one in frames[50:]]
    found = logged(frames[:50] + slow)
    assert (found.length_mm, found.uncovered_mm, found.position_faults) == (120_000, 100_000, {})


REVERSING = [*STEADY[:60], *reversed(STEADY[20:60]), *STEADY[20:]]


@pytest.mark.parametrize("direction", [None, "forward", "reverse"])
def test_strip_that_runs_backwards_is_covered_once(direction: StripDirection | None) -> None:
    """Running backwards is a fault only if the camera does not state it, because boxes may then be mirrored."""
    forward: StripDirection | None = "forward" if direction else None
    stated = [*[forward] * 60, *[direction] * 40, *[forward] * 80]
    frames = [replace(one, direction=way) for one, way in zip(taken(REVERSING), stated, strict=True)]
    found = logged(frames)
    assert (found.length_mm, found.uncovered_mm, found.frames.inspected) == (20_000, 0, 180)
    assert found.position_faults == ({} if direction == "reverse" else {"reversed": 39})


def test_tolerates_encoder_jitter_of_a_stopped_strip() -> None:
    found = logged(taken([*STEADY, *[19_800 - number % 3 for number in range(100)]]))
    assert (found.length_mm, found.position_faults) == (20_000, {})


def test_gap_between_frames_with_the_same_time_is_reported() -> None:
    """Delayed frames were sent together, so their records have the same time."""
    positions = [*STEADY[:50], *(mm + 12_000 for mm in STEADY[50:])]
    frames = [replace(one, captured_ms=1_000) for one in taken(positions)]
    found = logged(frames)
    assert (found.length_mm, found.gaps) == (32_000, [StripSpan(10_000, 22_000)])
    assert found.position_faults == {"jump": 1}


def test_clock_set_back_does_not_affect_the_length() -> None:
    """The strip continues while times jump back by 5 s, so frames at different positions have the same times."""
    positions = [number * FRAME_MM for number in range(1000)]
    frames = taken(positions)
    frames = frames[:600] + [replace(one, captured_ms=one.captured_ms - 5_003) for one in frames[600:]]
    found = logged(frames)
    assert (found.length_mm, found.uncovered_mm) == (200_000, 0)


def test_replayed_reject_has_one_position() -> None:
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
    """Draw positions of a strip that runs back and forth, with lost frames, resets, and one or two wrong values."""
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
def test_result_is_independent_of_the_order_of_arrival(positions: list[int], late: int, rng: random.Random) -> None:
    frames = taken(positions)
    for number in range(0, len(frames), 4):  # including rejected frames
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
        aggregate.summary()  # reading it in between changes nothing
    assert aggregate.summary("next-coil") == in_order


@given(encoders())
def test_every_frame_has_a_position_or_is_an_outlier(positions: list[int]) -> None:
    found = logged(taken(positions))
    assert found.length_mm is not None
    faults = found.position_faults
    furthest_mm = (len(positions) + 1) * (SLACK_MM + 50 * FRAME_MS) + faults.get("jump", 0) * 1_000_000
    assert found.length_mm <= furthest_mm, "no farther than a strip can run, except across gaps"
    assert len(positions) >= faults.get("outlier", 0) + CONFIRMED_FRAMES * bool(faults.get("reset"))
