import random

from hypothesis import given
from hypothesis import strategies as st
from kafka.structs import TopicPartition

from stripwatch.worker.broker.time_order import StreamClock, TimeOrder

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1000)), max_size=60), st.randoms())
def test_returns_all_records_in_time_order(records: list[tuple[int, int]], rng: random.Random) -> None:
    """Each partition is in time order, and partitions are read at different speeds."""
    partitions = {n: sorted(time for number, time in records if number == n) for n in range(4)}
    order, out, left = TimeOrder[int](), list[int](), {n: list(times) for n, times in partitions.items() if times}
    offsets = dict.fromkeys(left, 0)
    while left:
        number = rng.choice(sorted(left))
        time_ms = left[number].pop(0)
        order.push(TopicPartition("t", number), time_ms, offsets[number], time_ms)
        offsets[number] += 1
        left = {n: times for n, times in left.items() if times}
        out += [waiting.item for waiting in order.pop({TopicPartition("t", n) for n in left})]
    assert out == sorted(time for _, time in records)
    assert len(order) == 0


def test_waits_for_a_partition_that_may_have_older_records() -> None:
    order = TimeOrder[str]()
    order.push(A, 5, 0, "a5")
    assert list(order.pop({B})) == []
    order.push(B, 3, 7, "b3")
    assert order.first_offsets() == {A: 0, B: 7}
    assert [waiting.item for waiting in order.pop({B})] == ["b3"]
    assert [waiting.item for waiting in order.pop(set())] == ["a5"]


def test_keeps_the_order_within_a_partition() -> None:
    order = TimeOrder[str]()
    for offset, time_ms in enumerate((10, 4, 12)):
        order.push(A, time_ms, offset, f"a{offset}")
    order.push(B, 11, 0, "b")
    assert [waiting.item for waiting in order.pop(set())] == ["a0", "a1", "b", "a2"]


def test_a_partition_is_full_when_too_many_records_wait() -> None:
    order = TimeOrder[int]()
    for number in range(2_000):
        assert order.full() == set()
        order.push(A, number, number, number)
    assert order.full() == {A}
    order.push(B, 0, 0, 0)
    assert next(order.pop({B})).item == 0
    assert next(order.pop({B})).item == 0
    assert order.full() == set()


def test_a_few_large_records_fill_a_partition() -> None:
    order = TimeOrder[int]()
    for number in range(16):
        assert order.full() == set()
        order.push(A, number, number, number, size_bytes=1_000_000)
    assert order.full() == {A}


def test_time_follows_past_records_and_then_the_host_clock() -> None:
    clock = StreamClock()
    assert [clock.pass_record(time_s) for time_s in (1000, 1010, 1005, 1020)] == [0, 10, 10, 20]
    assert [clock.pass_live(time_s) for time_s in (7, 8, 10)] == [20, 21, 23]
    assert [clock.pass_record(time_s) for time_s in (9000, 9001)] == [23, 24]
