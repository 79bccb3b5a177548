"""Frames and bytes in flight stay within their limits, and a frame above the limit still passes."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from tests.waiting import wait_until


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 10), st.integers(1, 100))
def test_the_limits_hold_if_room_is_requested_first(sizes: list[int], frames_max: int, bytes_max: int) -> None:
    limiter = InFlightLimiter(frames_max, bytes_max)
    inside: list[int] = []
    for size in sizes:
        while limiter.wait_for_room(0) == 0:
            limiter.release(inside.pop(0))
        limiter.acquire(size)
        inside.append(size)
        assert limiter.frames == len(inside) <= frames_max
        assert limiter.bytes == sum(inside) < bytes_max + size


def test_a_frame_above_the_limit_passes_and_is_released() -> None:
    limiter = InFlightLimiter(frames_max=10, bytes_max=100)
    limiter.acquire(500)
    assert limiter.wait_for_room(0) == 0
    limiter.release(500)
    assert limiter.wait_for_room(0) == 10


def test_copies_in_a_producer_use_a_quarter_of_the_bytes_and_one_is_always_allowed() -> None:
    limiter = InFlightLimiter(frames_max=10, bytes_max=400)
    limiter.reserve_copy(1, 500, threading.Event())
    waiter = threading.Thread(target=limiter.reserve_copy, args=(2, 60, threading.Event()))
    waiter.start()
    waiter.join(0.05)
    assert waiter.is_alive()
    limiter.release_copy(3)  # this frame had no copy
    limiter.release_copy(1)
    waiter.join(30)
    assert not waiter.is_alive()
    limiter.reserve_copy(4, 40, threading.Event())
    (failed := threading.Event()).set()
    limiter.reserve_copy(5, 40, failed)  # the worker ends, so the call does not wait


def test_bytes_left_is_the_room_for_a_poll() -> None:
    limiter = InFlightLimiter(frames_max=10, bytes_max=400)
    limiter.acquire(300)
    assert limiter.bytes_left == 100
    limiter.acquire(300)
    assert limiter.bytes_left == 0


def test_a_release_wakes_a_waiting_thread() -> None:
    limiter = InFlightLimiter(frames_max=1, bytes_max=100)
    limiter.acquire(10)
    room: list[int] = []
    waiter = threading.Thread(target=lambda: room.append(limiter.wait_for_room(30)))
    waiter.start()
    limiter.release(10)
    waiter.join(30)
    assert room == [1]


def test_linger_is_zero_for_one_frame_and_grows_with_the_frames_in_flight() -> None:
    limiter = InFlightLimiter(frames_max=100, bytes_max=100)
    linger_s = []
    for _ in range(100):
        linger_s.append(limiter.linger_s)
        limiter.acquire(1)
    assert linger_s[:4] == [0, 0, 0.002, 0.004]
    assert linger_s == sorted(linger_s)
    assert linger_s[20] == linger_s[64] == 0.015


@pytest.mark.parametrize(("fps", "linger_s"), [(0, 0.1), (20, 0.1), (160, 0.05), (4000, 0.015)])
def test_linger_in_a_backlog_is_the_time_of_eight_frames(fps: float, linger_s: float) -> None:
    limiter = InFlightLimiter(frames_max=100, bytes_max=100)
    for _ in range(65):
        limiter.acquire(1)
    limiter._fps = fps
    assert limiter.linger_s == pytest.approx(linger_s)
    limiter.release(1)
    assert limiter.linger_s == 0.015
    assert limiter._fps >= 1  # one frame was settled recently


def test_wait_to_coalesce_ends_when_half_of_the_frames_are_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InFlightLimiter, "linger_s", 30.0)
    limiter = InFlightLimiter(frames_max=8, bytes_max=100)
    for _ in range(4):
        limiter.acquire(1)
    frames: list[int] = []

    def wait() -> None:
        limiter.wait_to_coalesce()
        frames.append(limiter.frames)

    waiter = threading.Thread(target=wait)
    waiter.start()
    wait_until(lambda: limiter._coalesced_frames > 0)
    limiter.release(1)
    assert not frames
    limiter.release(1)
    waiter.join(10)
    assert frames == [2]


def test_wait_to_coalesce_does_not_wait_for_a_single_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InFlightLimiter, "linger_s", 30.0)
    limiter = InFlightLimiter(frames_max=8, bytes_max=100)
    limiter.acquire(1)
    waiter = threading.Thread(target=limiter.wait_to_coalesce, daemon=True)
    waiter.start()
    waiter.join(10)
    assert not waiter.is_alive()


def test_a_full_worker_accepts_frames_when_a_quarter_is_free() -> None:
    limiter = InFlightLimiter(frames_max=8, bytes_max=100)
    for _ in range(8):
        limiter.acquire(1)
    limiter.release(1)
    assert limiter.wait_for_room(0) == 1  # after the wait, all the room there is may be used
    room: list[int] = []
    waiter = threading.Thread(target=lambda: room.append(limiter.wait_for_room(30)))
    waiter.start()
    limiter.release(1)
    waiter.join(30)
    assert room == [2]
