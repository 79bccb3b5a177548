"""When a batch ends, with a simulated clock: full, after the linger time, or at once without one."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.model.batch_policy import BatchLimits
from stripwatch.worker.pipeline.inspect.gather_batches import collect_batch
from tests.clock import ManualClock
from tests.worker.pipeline.inspect.scripted_queue import ScriptedQueue


def batch_of(arrivals_s: Sequence[float], limits: BatchLimits, clock: ManualClock) -> list[int]:
    queue = ScriptedQueue(clock, arrivals_s)
    first = queue.head(1000.0)
    assert first is not None
    return collect_batch(first, queue, limits, clock)


def test_an_item_after_the_linger_time_waits_for_the_next_batch() -> None:
    limits = BatchLimits(frames_max=8, linger_s_max=0.010)
    assert batch_of([0.0, 0.004, 0.011], limits, ManualClock()) == [0, 1]


def test_a_full_batch_does_not_wait() -> None:
    clock = ManualClock()
    assert batch_of([0.0, 0.001, 0.002, 0.003], BatchLimits(3, 1.0), clock) == [0, 1, 2]
    assert clock.now_s == 0.002


def test_without_a_linger_it_takes_only_what_is_available() -> None:
    clock = ManualClock()
    assert batch_of([0.0, 0.0, 0.0, 0.0001], BatchLimits(8, 0.0), clock) == [0, 1, 2]
    assert clock.now_s == 0.0


arrival_times = st.lists(st.floats(0, 0.05), min_size=1, max_size=30).map(sorted)


@given(arrival_times, st.integers(1, 8), st.floats(0, 0.02))
def test_a_batch_is_in_order_and_within_size_and_time(
    arrivals_s: list[float], frames_max: int, linger_s_max: float
) -> None:
    clock = ManualClock()
    batch = batch_of(arrivals_s, BatchLimits(frames_max, linger_s_max), clock)
    assert batch == list(range(len(batch)))
    assert 1 <= len(batch) <= frames_max
    assert clock.now_s <= arrivals_s[0] + linger_s_max + 1e-9
    if len(batch) < min(frames_max, len(arrivals_s)):  # the remaining items came after the linger time
        assert arrivals_s[len(batch)] >= clock.now_s - 1e-9
