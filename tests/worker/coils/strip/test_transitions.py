"""Wrong positions, resets and lost frames around a stop, which is long enough for a strip to run far."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stripwatch.worker.coils.strip.stretches import SLACK_MM
from stripwatch.worker.coils.strip.strip_defects import StripDefects
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.contracts.coil_summary import CoilSummary, StripDefect
from stripwatch.worker.contracts.frame_info import StripSpan
from tests.worker.coils.samples import defect, logged, observation

FRAME_MM, FRAME_MS = 200, 100  # 2 m/s
Taken = list[tuple[int, int]]  # time in ms, position in mm


def run(frames: int, first_mm: int = 0, first_ms: int = 0, step_mm: int = FRAME_MM) -> Taken:
    return [(first_ms + number * FRAME_MS, first_mm + number * step_mm) for number in range(frames)]


def shown(taken: Taken, camera: str = "top-1", frame_mm: int = FRAME_MM) -> list[Observation]:
    return [
        replace(observation(0, mm, mm + frame_mm, camera=camera), id=f"{camera}-{number}", captured_ms=ms)
        for number, (ms, mm) in enumerate(taken)
    ]


def figures(found: CoilSummary) -> tuple[int | None, int | None, dict[str, int]]:
    return found.length_mm, found.uncovered_mm, found.position_faults


BEFORE = run(1000)  # 200 m in 100 s


@pytest.mark.parametrize(("pause_ms", "wrong_mm"), [(60_000, 2_700_000), (30_000, 1_400_000), (5_000, 400_000)])
@pytest.mark.parametrize("after", [0, 1000])
def test_one_wrong_position_after_a_stop_causes_no_shift(pause_ms: int, wrong_mm: int, after: int) -> None:
    """The strip had time to run there. The wrong position may also be that of the last frame of the coil."""
    resumed_ms = 100_000 + pause_ms
    taken = [*BEFORE, (resumed_ms, wrong_mm), *run(after, 200_000, resumed_ms + FRAME_MS)]
    assert figures(logged(shown(taken))) == (200_000 + after * FRAME_MM, 0, {"outlier": 1})


def test_one_wrong_position_before_a_stop_at_the_head_causes_no_shift() -> None:
    taken = [(0, 1_000_000), *run(1000, 0, 60_000)]
    assert figures(logged(shown(taken))) == (200_000, 0, {"outlier": 1})


@pytest.mark.parametrize(
    "after",
    [run(1000, 1_500, 160_000), run(1000, -500, 160_000), run(1000, 120_000, 160_000)],
    ids=["to 1.5 m", "to -0.5 m", "to another value"],
)
def test_encoder_reset_during_a_stop(after: Taken) -> None:
    assert figures(logged(shown(BEFORE + after))) == (400_000, 0, {"reset": 1})


def test_encoder_counting_down_and_reset_during_a_stop() -> None:
    taken = run(1000, step_mm=-FRAME_MM) + run(1000, 0, 160_000, -FRAME_MM)
    assert figures(logged(shown(taken))) == (400_000, 0, {"reset": 1, "reversed": 1998})


def test_encoder_reset_while_the_strip_is_stopped_at_the_camera() -> None:
    """Frames keep arriving, and the stopping strip moves back a little."""
    standing = [(100_000 + number * FRAME_MS, 199_760) for number in range(300)]
    reset = [(130_000 + number * FRAME_MS, 0) for number in range(300)]
    found = logged(shown([*BEFORE, *standing, *reset, *run(1000, 0, 160_000)]))
    assert (found.length_mm, found.uncovered_mm, found.position_faults["reset"]) == (399_960, 0, 1)


def test_reset_among_lost_frames_is_placed_by_the_other_camera() -> None:
    """top-2 lost 2 s of frames, and its first frame after the reset is 2 m from 0."""
    taken = [*run(500), *run(500, 0, 50_000)]
    lost = [one for number, one in enumerate(shown(taken, "top-2")) if not 490 <= number < 510]
    found = logged(sorted(shown(taken) + lost, key=lambda one: one.captured_ms))
    assert figures(found) == (200_000, 0, {"reset": 1})
    assert found.partly_uncovered_mm == found.cameras["top-2"].uncovered_mm == 4_000
    assert found.cameras["top-1"].position_faults == found.cameras["top-2"].position_faults == {"reset": 1}


def test_resets_of_different_encoders_are_counted_separately() -> None:
    taken, other = run(500) + run(500, 0, 50_000), run(500) + run(500, 50_000, 50_000)
    assert logged(shown(taken) + shown(other, "top-2")).position_faults == {"reset": 2}


def test_frames_lost_by_a_camera_are_a_gap_of_any_length() -> None:
    taken = [*BEFORE, *run(1000, 300_000, 150_000)]
    assert figures(logged(shown(taken))) == (500_000, 100_000, {})


def test_strip_pulled_back_among_lost_frames_is_covered_once() -> None:
    """The strip runs forward to 200 m, back to 100 m with 20 m lost, and forward again."""
    back = run(400, 180_000, 110_000, -FRAME_MM)
    found = logged(shown([*BEFORE, *back, *run(1000, 100_200, 150_000)]))
    assert (found.strip_mm, found.uncovered_mm) == (StripSpan(0, 300_200), 0)
    assert found.position_faults == {"reversed": 400}


@pytest.mark.parametrize("step_mm", [1, 200, 5_000, 20_000])
def test_slow_strips_and_slow_cameras_are_placed_correctly(step_mm: int) -> None:
    """One frame of 200 mm per second."""
    taken = [(number * 1000, number * step_mm) for number in range(100)]
    found = logged(shown(taken))
    assert (found.length_mm, found.position_faults) == (99 * step_mm + FRAME_MM, {})


def test_summary_merges_only_new_defects(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live page asks every second, and one of the resets happened long ago."""
    added = 0

    def counted(found: StripDefects, one: StripDefect) -> None:
        nonlocal added
        added += 1
        add(found, one)

    add = StripDefects.add
    frames = shown(run(100) + run(500, 0, 60_000))
    frames = [replace(one, defects=(defect(one.position_mm or 0, one.position_mm or 0),)) for one in frames]
    aggregate = CoilAggregate(frames[0])
    for one in frames[1:-1]:
        aggregate.add(one)
    assert aggregate.summary().defects == {"scratches": 599}
    monkeypatch.setattr(StripDefects, "add", counted)
    aggregate.add(frames[-1])
    found = aggregate.summary()
    assert (found.defects, found.position_faults) == ({"scratches": 600}, {"reset": 1})
    assert added == 2, "to its stretch, and to the strip"


@pytest.mark.parametrize(("frames", "faults"), [(100, {"still": 100}), (99, {})])
def test_dead_encoder_is_a_fault(frames: int, faults: dict[str, int]) -> None:
    assert logged(shown(run(frames, 7_000, step_mm=0))).position_faults == faults


def test_wrong_position_does_not_hide_a_dead_encoder() -> None:
    taken = [*run(100, 7_000, step_mm=0), (10_000, 900_000), *run(100, 7_003, 70_000, 0)]
    assert logged(shown(taken)).position_faults == {"outlier": 1, "still": 200}


def test_temporarily_stopped_strip_is_not_a_fault() -> None:
    standing = run(300, 20_000, 10_000, step_mm=0)
    assert logged(shown([*run(100), *standing])).position_faults == {}


@st.composite
def strips_with_stops(draw: st.DrawFn) -> tuple[Taken, int]:
    """Draw runs of 8 or more frames, separated by pauses, lost frames or resets, and the length of a frame."""
    step_mm = draw(st.sampled_from([5, 200, 2_000]))
    way = draw(st.sampled_from([1, -1]))
    taken: Taken = []
    at_ms = at_mm = 0
    for _ in range(draw(st.integers(1, 4))):
        frames = draw(st.integers(8, 30))
        taken += run(frames, at_mm, at_ms, way * step_mm)
        pause_ms = draw(st.sampled_from([0, 1_000, 5_000, 60_000, 600_000]))
        at_ms += frames * FRAME_MS + pause_ms
        at_mm += way * frames * step_mm
        match draw(st.sampled_from(["stop", "lost frames", "reset"])):
            case "lost frames":
                at_mm += way * draw(st.integers(0, 10 * pause_ms))
            case "reset":
                at_mm = draw(st.sampled_from([0, 1_500, -500, 10**7]))
    return taken, step_mm


@given(strips_with_stops(), st.data())
def test_one_wrong_position_anywhere_affects_one_frame(strip: tuple[Taken, int], data: st.DataObject) -> None:
    taken, frame_mm = strip
    at = data.draw(st.integers(0, len(taken) - 1))
    wrong_mm = data.draw(st.integers(-3_000_000, 3_000_000) | st.sampled_from([10**12, 2**32 - 1]))
    assume(all(abs(wrong_mm - mm) > 2 * SLACK_MM for _, mm in taken))
    rest = logged(shown([*taken[:at], *taken[at + 1 :]], frame_mm=frame_mm))
    found = logged(shown([*taken[:at], (taken[at][0], wrong_mm), *taken[at + 1 :]], frame_mm=frame_mm))
    assert (found.strip_mm, found.uncovered_mm, found.gaps) == (rest.strip_mm, rest.uncovered_mm, rest.gaps)
    outliers = rest.position_faults.get("outlier", 0) + 1
    assert found.position_faults == rest.position_faults | {"outlier": outliers}
