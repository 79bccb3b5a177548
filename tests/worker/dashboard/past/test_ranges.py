"""Ranges of records by time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.structs import TopicPartition

from stripwatch.worker.dashboard.past import ranges
from stripwatch.worker.dashboard.past.errors import KafkaError
from stripwatch.worker.dashboard.past.ranges import OffsetRange, RangeReader, RecordTimes
from tests.worker.dashboard.past.fake_kafka import FakeKafka

A, B = TopicPartition("a", 0), TopicPartition("a", 1)
TIMES = st.lists(st.integers(1_000_000, 1_100_000), max_size=60).map(sorted)


def filled(*times: list[int]) -> FakeKafka:
    kafka = FakeKafka()
    kafka.create("a", partitions=len(times))
    for number, of_partition in enumerate(times):
        for time_ms in of_partition:
            kafka.send("a", b"x", time_ms, partition=number)
    return kafka


@given(TIMES, TIMES, st.integers(999_000, 1_101_000), st.integers(0, 50_000))
def test_range_has_exactly_the_records_between_two_times(
    first: list[int], second: list[int], from_ms: int, length_ms: int
) -> None:
    to_ms = from_ms + length_ms
    with filled(first, second).open() as consumer:
        found = RecordTimes(consumer, ["a"]).between(from_ms, to_ms)
    for partition, times in ((A, first), (B, second)):
        at = found[partition]
        assert times[at.first : at.end] == [time_ms for time_ms in times if from_ms <= time_ms <= to_ms]


@given(TIMES, TIMES, st.integers(1, 100))
def test_newest_records_are_at_most_as_many_as_allowed_and_all_since_the_stated_time(
    first: list[int], second: list[int], records_max: int
) -> None:
    with filled(first, second).open() as consumer:
        found, since_ms = RecordTimes(consumer, ["a"]).newest(None, 1_200_000, records_max)
    total = sum(at.records for at in found.values())
    assert total <= records_max
    if since_ms is None:
        assert total == len(first) + len(second)
    else:
        assert total == sum(time_ms >= since_ms for time_ms in (*first, *second))


def test_oldest_time_ignores_deleted_records_and_empty_topics() -> None:
    kafka = filled([10, 20, 30])
    kafka.create("empty")
    kafka.deleted[A] = 2
    with kafka.open() as consumer:
        assert RecordTimes(consumer, ["a", "empty", "missing"]).oldest_ms() == 30
        assert RecordTimes(consumer, ["empty"]).oldest_ms() is None


def test_reads_the_records_of_its_ranges_and_no_others() -> None:
    with filled(list(range(300)), list(range(50))).open() as consumer:
        reader = RangeReader(consumer, {A: OffsetRange(120, 260), B: OffsetRange(50, 50)})
        read = []
        while reader.caught_up_at_s is None:
            read += reader.poll()
    assert [record.offset for record in read] == list(range(120, 260))
    assert (reader.read, reader.total) == (140, 140)


def test_reads_a_range_whose_records_are_deleted_meanwhile() -> None:
    kafka = filled(list(range(300)))
    with kafka.open() as consumer:
        reader = RangeReader(consumer, {A: OffsetRange(0, 100)})
        kafka.deleted[A] = 200
        while reader.caught_up_at_s is None:
            reader.poll()
    assert reader.read == 0


def test_error_states_that_kafka_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "unreachable", lambda _: None)
    now_s = [0.0]
    kafka = filled(list(range(10)))
    kafka.silent = True
    with kafka.open() as consumer:
        reader = RangeReader(consumer, {A: OffsetRange(0, 10)}, monotonic=lambda: now_s[0])
        assert reader.poll() == []
        now_s[0] = 16
        with pytest.raises(KafkaError, match="Kafka sent nothing for 15 s"):
            reader.poll()
