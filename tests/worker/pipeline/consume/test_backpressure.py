"""Credits: frames and bytes in flight stay under their limits, and a frame above the limit still gets through."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.pipeline.consume.backpressure import Credits
from tests.waiting import wait_until


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 10), st.integers(1, 100))
def test_whoever_asks_for_room_first_keeps_the_limits(sizes: list[int], frames_max: int, bytes_max: int) -> None:
    credits = Credits(frames_max, bytes_max)
    inside: list[int] = []
    for size in sizes:
        while credits.wait_for_room(0) == 0:
            credits.give_back(inside.pop(0))
        credits.take(size)
        inside.append(size)
        assert credits.frames == len(inside) <= frames_max
        assert credits.bytes == sum(inside) < bytes_max + size


def test_a_frame_above_the_limit_goes_through_and_leaves_no_mark() -> None:
    credits = Credits(frames_max=10, bytes_max=100)
    credits.take(500)
    assert credits.wait_for_room(0) == 0
    credits.give_back(500)
    assert credits.wait_for_room(0) == 10


def test_whoever_waits_is_woken_by_a_credit() -> None:
    credits = Credits(frames_max=1, bytes_max=100)
    credits.take(10)
    room: list[int] = []
    waiter = threading.Thread(target=lambda: room.append(credits.wait_for_room(30)))
    waiter.start()
    credits.give_back(10)
    waiter.join(30)
    assert room == [1]


def test_patience_is_none_for_a_frame_alone_and_grows_with_the_frames_inside() -> None:
    credits = Credits(frames_max=100, bytes_max=100)
    patience_s = []
    for _ in range(100):
        patience_s.append(credits.patience_s)
        credits.take(1)
    assert patience_s[:4] == [0, 0, 0.002, 0.004]
    assert patience_s == sorted(patience_s)
    assert patience_s[20] == patience_s[64] == 0.015


@pytest.mark.parametrize(("fps", "patience_s"), [(0, 0.1), (20, 0.1), (160, 0.05), (4000, 0.015)])
def test_in_a_backlog_patience_is_what_eight_frames_take(fps: float, patience_s: float) -> None:
    credits = Credits(frames_max=100, bytes_max=100)
    for _ in range(65):
        credits.take(1)
    credits._fps = fps
    assert credits.patience_s == pytest.approx(patience_s)
    credits.give_back(1)
    assert credits.patience_s == 0.015
    assert credits._fps >= 1  # one was done of late


def test_who_waits_for_few_goes_on_when_half_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Credits, "patience_s", 30.0)
    credits = Credits(frames_max=8, bytes_max=100)
    for _ in range(4):
        credits.take(1)
    frames: list[int] = []

    def wait() -> None:
        credits.wait_for_few()
        frames.append(credits.frames)

    waiter = threading.Thread(target=wait)
    waiter.start()
    wait_until(lambda: credits._few > 0)
    credits.give_back(1)
    assert not frames
    credits.give_back(1)
    waiter.join(10)
    assert frames == [2]


def test_a_frame_alone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Credits, "patience_s", 30.0)
    credits = Credits(frames_max=8, bytes_max=100)
    credits.take(1)
    waiter = threading.Thread(target=credits.wait_for_few, daemon=True)
    waiter.start()
    waiter.join(10)
    assert not waiter.is_alive()


def test_a_full_worker_lets_frames_in_by_the_quarter() -> None:
    credits = Credits(frames_max=8, bytes_max=100)
    for _ in range(8):
        credits.take(1)
    credits.give_back(1)
    assert credits.wait_for_room(0) == 1  # nobody is kept from what there is, after the wait
    room: list[int] = []
    waiter = threading.Thread(target=lambda: room.append(credits.wait_for_room(30)))
    waiter.start()
    credits.give_back(1)
    waiter.join(30)
    assert room == [2]
