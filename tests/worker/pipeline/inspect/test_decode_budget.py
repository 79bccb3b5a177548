"""Memory for decoded frames: granted in the order of the frames, within the limit, and without a deadlock."""

import threading

import pytest

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.pipeline.inspect.deadline import Deadline
from stripwatch.worker.pipeline.inspect.decode_budget import DecodeBudget, Reservation
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.outcomes import Decoded
from tests.frames import make_frame
from tests.models import IMAGE, make_model
from tests.waiting import wait_until


def taking(reservation: Reservation, size_bytes: int) -> threading.Thread:
    thread = threading.Thread(target=reservation.take, args=(size_bytes,), daemon=True)
    thread.start()
    return thread


def test_waits_until_there_is_room() -> None:
    budget = DecodeBudget(100)
    first, second = budget.enter(), budget.enter()
    first.take(70)
    waiting = taking(second, 40)
    waiting.join(0.1)
    assert waiting.is_alive()
    assert budget.held_bytes == 70
    first.keep(60)
    waiting.join(30)
    assert budget.held_bytes == 100
    first.release()
    second.release()
    assert budget.held_bytes == 0


def test_a_later_frame_does_not_overtake_an_earlier_one() -> None:
    budget = DecodeBudget(100)
    older, younger = budget.enter(), budget.enter()
    waiting = taking(younger, 10)
    waiting.join(0.1)
    assert waiting.is_alive()
    older.take(90)
    waiting.join(30)
    assert budget.held_bytes == 100


def test_a_frame_above_the_limit_gets_memory_alone() -> None:
    budget = DecodeBudget(100)
    small, large, behind = budget.enter(), budget.enter(), budget.enter()
    small.take(1)
    waiting = taking(large, 1000)
    waiting.join(0.1)
    assert waiting.is_alive()
    small.release()
    waiting.join(30)
    also = taking(behind, 1)
    also.join(0.1)
    assert also.is_alive()
    large.keep(5)
    also.join(30)
    assert budget.held_bytes == 6


def test_a_frame_that_needs_no_memory_delays_no_other() -> None:
    budget = DecodeBudget(100)
    reservations = [budget.enter() for _ in range(4)]
    for without in (reservations[1], reservations[0]):
        without.release()
    waiting = taking(reservations[3], 10)
    reservations[2].keep(50)  # it never took any
    waiting.join(30)
    assert not waiting.is_alive()
    assert budget.held_bytes == 10


def test_a_frame_decoded_twice_is_counted_once() -> None:
    budget = DecodeBudget(100)
    reservation = budget.enter()
    reservation.take(80)
    reservation.take(80)
    assert budget.held_bytes == 80
    reservation.release()
    reservation.release()
    assert budget.held_bytes == 0


def test_a_reservation_is_extended_only_while_there_is_room() -> None:
    budget = DecodeBudget(100)
    reservation = budget.enter()
    reservation.take(40)
    with pytest.raises(MemoryError):
        reservation.extend(61)
    assert budget.held_bytes == 40
    reservation.extend(60)
    assert budget.held_bytes == 100
    reservation.keep(10)
    assert budget.held_bytes == 10
    reservation.release()
    assert budget.held_bytes == 0


def test_no_frame_waits_once_the_limit_is_lifted() -> None:
    budget = DecodeBudget(1)
    reservations = [budget.enter() for _ in range(3)]
    reservations[0].take(5)
    waiting = [taking(each, 5) for each in (reservations[2], reservations[1])]
    budget.lift()
    for thread in waiting:
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize("bytes_max", [1, 300, 10_000])
@pytest.mark.parametrize("threads", [1, 4])
def test_frames_stay_in_order_and_within_the_limit_whatever_their_outcome(threads: int, bytes_max: int) -> None:
    budget = DecodeBudget(bytes_max)
    most = []

    def decode(encoded: bytes, layout: object = None, reserve: object = None) -> Image:
        if encoded == b"bad":
            raise FrameRejected(RejectReason.UNDECODABLE, "")
        assert callable(reserve)
        reserve(200)
        most.append(budget.held_bytes)
        if encoded == b"worse":
            raise ValueError("a bug")
        return IMAGE

    deadline = Deadline(60, skip=True, now_s=lambda: 100)
    pool, model = DecodePool(threads, deadline, budget=budget), make_model(decode=decode)
    kinds = (b"good", b"bad", b"good", b"worse")
    captured_ms = [0 if number % 7 == 3 else 100_000 for number in range(60)]
    frames = [make_frame(number, kinds[number % 4], captured_ms=captured_ms[number]) for number in range(60)]
    for frame in frames:
        pool.submit(frame, model)
    for frame in frames:
        outcome = pool.head(30)
        assert outcome is not None
        assert outcome.frame is frame
        if isinstance(outcome, Decoded):
            outcome.release()
    pool.close()
    wait_until(lambda: budget.held_bytes == 0)
    assert max(most) <= max(bytes_max, 200 + IMAGE.pixels.nbytes * threads)
