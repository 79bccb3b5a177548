"""Batches beside each other: in order, one that fails takes no other with it, and none is taken before its time."""

import threading
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stripwatch.worker.pipeline.inspect.batch_slots import OrderedBatchSlots

WAIT_S = 20


def taker(batches: Iterator[int]) -> Callable[[], int | None]:
    return lambda: next(batches, None)


def play(lanes: int, take: Callable[[], int | None], run: Callable[[int], list[int]]) -> tuple[list[int], list[str]]:
    """What this many threads hand on, and what they end with."""
    together, out, errors = OrderedBatchSlots(), list[int](), list[str]()

    def work() -> None:
        try:
            while together.run_next_batch(take, run, out.extend):
                pass
        except RuntimeError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    return out, errors


@given(st.integers(1, 4), st.integers(0, 30), st.sets(st.integers(0, 30)))
@settings(max_examples=50, deadline=None)
def test_all_come_out_in_order_and_a_failure_costs_its_own_batch(lanes: int, batches: int, failing: set[int]) -> None:
    failing = set(sorted(failing)[: lanes - 1])  # each ends its lane

    def run(batch: int) -> list[int]:
        if batch in failing:
            raise RuntimeError(str(batch))
        return [2 * batch, 2 * batch + 1]

    out, errors = play(lanes, taker(iter(range(batches))), run)
    sound = [batch for batch in range(batches) if batch not in failing]
    assert out == [each for batch in sound for each in (2 * batch, 2 * batch + 1)]
    assert sorted(map(int, errors)) == sorted(batch for batch in failing if batch < batches)


def test_the_next_batch_runs_while_one_does_and_waits_for_its_turn() -> None:
    second_has_run = threading.Event()

    def run(batch: int) -> list[int]:
        if batch == 0:
            assert second_has_run.wait(WAIT_S)
        else:
            second_has_run.set()
        return [batch]

    assert play(2, taker(iter(range(2))), run) == ([0, 1], [])


@pytest.mark.parametrize("lanes", [1, 3])
def test_no_batch_is_taken_before_a_lane_is_free(lanes: int) -> None:
    running, most, lock, numbers = 0, list[int](), threading.Lock(), count()

    def take() -> int | None:
        with lock:
            most.append(running)
        return batch if (batch := next(numbers)) < 50 else None

    def run(batch: int) -> list[int]:
        nonlocal running
        with lock:
            running += 1
        with lock:
            running -= 1
        return [batch]

    assert play(lanes, take, run) == (list(range(50)), [])
    assert max(most) < lanes
