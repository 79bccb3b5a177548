"""The reject rate over a sliding window, reported only with enough frames."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from stripwatch.worker.observers.frame_window import WindowCounts
from stripwatch.worker.observers.reject_rate import CameraRejects, RejectRate
from tests.frames import make_frame
from tests.worker.pipeline.samples import reject, result


def test_the_rate_is_high_until_the_window_has_passed() -> None:
    now_s = [1000.0]
    share = RejectRate(60, 0.5, lambda: now_s[0])
    for number in range(40):
        share.count(rejected=number % 4 != 0)
    assert (share.share(), share.is_high()) == (0.75, True)
    now_s[0] += 30
    for _ in range(40):
        share.count(rejected=False)
    assert (share.share(), share.is_high()) == (0.375, False)
    now_s[0] += 31
    assert share.share() == 0
    now_s[0] += 30
    assert (share.share(), share.is_high()) == (0, False)


def test_a_few_frames_cause_no_alarm() -> None:
    share = RejectRate(60, 0.1)
    for _ in range(19):
        share.count(rejected=True)
    assert not share.is_high()
    share.count(rejected=True)
    assert share.is_high()


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), min_size=1, max_size=200))
def test_the_window_is_exact_to_one_slot(frames: list[tuple[float, bool]]) -> None:
    now_s = [0.0]
    share = RejectRate(60, 0.5, lambda: now_s[0])
    times: list[tuple[float, bool]] = []
    for gap_s, rejected in frames:
        now_s[0] += gap_s
        share.count(rejected)
        times.append((now_s[0], rejected))
    kept = [rejected for at_s, rejected in times if int(at_s) > int(now_s[0]) - 60]
    assert share.share() == (sum(kept) / len(kept) if len(kept) >= 20 else 0)


def test_logs_each_reject_and_does_not_count_replayed_frames() -> None:
    share, first, again = RejectRate(60, 0.5), make_frame(1), make_frame(2, replay_of="a-reject")
    with capture_logs() as logs:
        for _ in range(15):
            share.on_delivered(reject(first), first)
            share.on_delivered(result(first, defect=False), first)
            share.on_delivered(reject(again), again)
    assert share.share() == 0.5
    assert [(line["event"], line["frame"], line["reason"]) for line in logs[:2]] == [
        ("frame rejected", first.id, "truncated"),
        ("frame rejected", again.id, "truncated"),
    ]
    assert len(logs) == 30


def camera_rejects(share_max: float = 0.1, cameras: tuple[str, ...] = ("top-1", "top-2")) -> CameraRejects:
    return CameraRejects(60, share_max, lambda name: name if name in cameras else "other", lambda: 0.0)


def count(rejects: CameraRejects, camera: str, frames: int, rejected: int, **changes: Any) -> None:
    for number in range(frames):
        frame = make_frame(number, camera=camera, **changes)
        rejects.on_delivered(reject(frame) if number < rejected else result(frame, defect=False), frame)


@pytest.mark.parametrize(
    ("frames", "rejected", "rejecting"),
    [(100, 11, True), (100, 10, False), (5, 5, True), (4, 4, False), (0, 0, False)],
)
def test_a_camera_is_rejecting_above_the_share_and_with_several_rejects(
    frames: int, rejected: int, rejecting: bool
) -> None:
    rejects = camera_rejects()
    count(rejects, "top-1", frames, rejected)
    count(rejects, "top-2", 1000, 0)
    assert rejects.is_rejecting("top-1") == rejecting
    assert not rejects.is_rejecting("top-2")
    assert rejects.counts("top-1") == WindowCounts(frames, {"truncated": rejected} if rejected else {})


def test_replays_and_cameras_beyond_the_limit_are_not_counted_and_a_forgotten_camera_starts_again() -> None:
    rejects = camera_rejects()
    count(rejects, "top-1", 9, 9, replay_of="a-reject")
    count(rejects, "top-9", 9, 9)
    assert [rejects.counts(camera).frames for camera in ("top-1", "top-9", "other")] == [0, 0, 0]
    count(rejects, "top-1", 9, 9)
    rejects.forget("top-1")
    assert not rejects.is_rejecting("top-1")
