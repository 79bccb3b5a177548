"""Concurrent batches leave in order, fail separately, and are collected only when a slot is free."""

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.inspect.deadline import NO_DEADLINE
from stripwatch.worker.pipeline.inspect.decode_pool import DecodePool
from stripwatch.worker.pipeline.inspect.inference_stage import InferenceStage
from stripwatch.worker.pipeline.inspect.publish_stage import PublishStage

WAIT_S = 20
DECODING, METRICS = DecodePool(1), Metrics(CollectorRegistry())


class Published(PublishStage):
    """Keeps the outcomes that it receives."""

    def __init__(self) -> None:
        self.out: list[int] = []
        self.ends = 0

    def put(self, outcome: Any) -> None:
        self.out.append(outcome)

    def end(self) -> None:
        self.ends += 1


class NumberStage(InferenceStage):
    """An inference stage whose batches are numbers."""

    def __init__(
        self, lanes: int, take: Callable[[], int | None], run: Callable[[int], list[int]], published: Published
    ) -> None:
        super().__init__(DECODING, NO_DEADLINE, published, METRICS, lanes)
        self._take = take
        self._run = run

    def take_batch(self) -> Any:
        return self._take()

    def infer(self, batch: Any) -> Any:
        return self._run(batch)


def taker(batches: Iterator[int]) -> Callable[[], int | None]:
    return lambda: next(batches, None)


def play(lanes: int, take: Callable[[], int | None], run: Callable[[int], list[int]]) -> tuple[list[int], list[str]]:
    """Run this many threads; return what they pass on and the errors with which they end."""
    published, errors = Published(), list[str]()
    stage = NumberStage(lanes, take, run, published)

    def work() -> None:
        try:
            stage.run()
        except RuntimeError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert published.ends == lanes
    return published.out, errors


@given(st.integers(1, 4), st.integers(0, 30), st.sets(st.integers(0, 30)))
@settings(max_examples=50, deadline=None)
def test_batches_leave_in_order_and_a_failure_costs_one_batch(lanes: int, batches: int, failing: set[int]) -> None:
    failing = set(sorted(failing)[: lanes - 1])  # each failure ends its thread

    def run(batch: int) -> list[int]:
        if batch in failing:
            raise RuntimeError(str(batch))
        return [2 * batch, 2 * batch + 1]

    out, errors = play(lanes, taker(iter(range(batches))), run)
    sound = [batch for batch in range(batches) if batch not in failing]
    assert out == [each for batch in sound for each in (2 * batch, 2 * batch + 1)]
    assert sorted(map(int, errors)) == sorted(batch for batch in failing if batch < batches)


def test_the_next_batch_runs_concurrently_and_waits_for_its_turn() -> None:
    second_has_run = threading.Event()

    def run(batch: int) -> list[int]:
        if batch == 0:
            assert second_has_run.wait(WAIT_S)
        else:
            second_has_run.set()
        return [batch]

    assert play(2, taker(iter(range(2))), run) == ([0, 1], [])


@pytest.mark.parametrize("lanes", [1, 3])
def test_no_batch_is_collected_before_a_slot_is_free(lanes: int) -> None:
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
