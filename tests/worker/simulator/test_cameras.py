import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.simulator.cameras import CapturedFrame, SimulatedLine, SourceImage, play
from tests.worker.conftest import ManualClock

LINE = SimulatedLine(cameras=2, rate_fps=5.0, mm_per_frame=250.0, coil="C7", coil_frames=0, run_id="run")
IMAGE = SourceImage(b"x", "image/png")


def take(line: SimulatedLine, clock: ManualClock, shots: int = 6, seconds_max: float = 1e9) -> list[CapturedFrame]:
    taken: list[CapturedFrame] = []
    play(itertools.repeat(IMAGE, shots), line, taken.append, clock, seconds_max)
    return taken


def test_cameras_rotate_at_their_rate(clock: ManualClock) -> None:
    taken = take(LINE, clock)
    assert [captured.camera for captured in taken] == ["top-1", "top-2"] * 3
    started = taken[0].captured_at
    assert [(captured.captured_at - started).total_seconds() for captured in taken] == pytest.approx(
        [0, 0.1, 0.2, 0.3, 0.4, 0.5]
    )


def test_rate_0_never_waits(clock: ManualClock) -> None:
    assert len(take(replace(LINE, rate_fps=0), clock)) == 6
    assert sum(clock.slept_s) == 0


def test_line_behind_schedule_catches_up(clock: ManualClock) -> None:
    taken: list[float] = []

    def send(_: CapturedFrame) -> None:
        taken.append(clock.seconds - 1000)
        if len(taken) == 2:
            clock.seconds += 0.35  # a slow broker

    play(itertools.repeat(IMAGE, 6), LINE, send, clock, 1e9)
    assert taken == pytest.approx([0, 0.1, 0.45, 0.45, 0.45, 0.5])


def test_stops_at_the_time_limit(clock: ManualClock) -> None:
    assert len(take(LINE, clock, seconds_max=0.4)) == 4


def test_stop_request_ends_it_before_the_next_frame() -> None:
    assert len(take(LINE, ManualClock(stop_after_s=0.25))) == 3


def test_strip_position_advances_and_coils_change() -> None:
    line = replace(LINE, coil_frames=2)
    places = [(e.camera, e.coil, e.strip_position_mm) for e in take(line, ManualClock(), shots=8)]
    assert places == [
        *(("top-1", "C7-001", 0), ("top-2", "C7-001", 0), ("top-1", "C7-001", 250), ("top-2", "C7-001", 250)),
        *(("top-1", "C7-002", 0), ("top-2", "C7-002", 0), ("top-1", "C7-002", 250), ("top-2", "C7-002", 250)),
    ]


def test_headers_are_cloudevents(clock: ManualClock) -> None:
    assert dict(take(LINE, clock, shots=4)[3].headers()) == {
        "ce_specversion": b"1.0",
        "ce_id": b"run-3",
        "ce_source": b"/plant/hot-rolling/line-1/top-2",
        "ce_type": b"stripwatch.frame.v1",
        "ce_time": b"2026-11-23T02:00:00.300Z",
        "ce_subject": b"C7",
        "content-type": b"image/png",
        "ce_strippositionmm": b"250",
    }


@given(cameras=st.integers(1, 9), frames=st.integers(0, 60), coil_frames=st.integers(0, 7))
def test_every_image_is_taken_once_and_positions_increase(cameras: int, frames: int, coil_frames: int) -> None:
    line = replace(LINE, cameras=cameras, coil_frames=coil_frames)
    taken = take(line, ManualClock(), shots=frames)
    assert len({captured.id for captured in taken}) == frames
    places = [(captured.camera, captured.coil, captured.strip_position_mm) for captured in taken]
    assert len(set(places)) == frames
    for camera in {place[0] for place in places}:
        along = [place[1:] for place in places if place[0] == camera]
        assert along == sorted(along)


def test_two_runs_have_no_event_id_in_common() -> None:
    first, second = (SimulatedLine(cameras=1, rate_fps=0, mm_per_frame=1, coil="C1") for _ in range(2))
    assert first.run_id != second.run_id
