from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from kafka.structs import TopicPartition

from stripwatch.worker.broker.time_ordered_reader import TimeOrderedReader
from stripwatch.worker.broker.topic_reader import TopicReader

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


@dataclass
class FakeTopicReader:
    """Topic reader that returns one prepared list per poll."""

    polls: list[list[Any]] = field(default_factory=list)
    behind_now: set[TopicPartition] = field(default_factory=set)
    caught_up_at_s: float | None = None
    paused: set[TopicPartition] = field(default_factory=set)

    def poll(self) -> list[Any]:
        return self.polls.pop(0) if self.polls else []

    def behind(self) -> set[TopicPartition]:
        return self.behind_now

    def pause_only(self, partitions: set[TopicPartition]) -> None:
        self.paused = partitions

    def next_offsets(self) -> dict[TopicPartition, int]:
        return {A: 100, B: 100}


class Host:
    seconds = 50.0

    def __call__(self) -> float:
        return self.seconds


def record(partition: TopicPartition, time_s: float, offset: int = 0) -> Any:
    position = {"topic": partition.topic, "partition": partition.partition, "offset": offset}
    return SimpleNamespace(**position, timestamp=1000 * time_s, value=b"{}")


def new_reader(fake: FakeTopicReader, host: Host) -> TimeOrderedReader[str]:
    def read(record: Any) -> str:
        return f"{record.partition}@{record.timestamp / 1000:g}"

    return TimeOrderedReader(cast(TopicReader, fake), read, monotonic=host)


def test_returns_past_records_in_time_order_regardless_of_the_reading_order() -> None:
    fake, host = FakeTopicReader([[record(A, 10, 4), record(A, 30, 5)], [record(B, 20)]], {A, B}), Host()
    reader = new_reader(fake, host)
    assert reader.poll() == []
    assert reader.next_offsets() == {A: 4, B: 100}, "records that wait were not returned"
    assert reader.poll() == [(0, "0@10"), (10, "1@20")]
    fake.caught_up_at_s = 50.0
    assert not reader.is_caught_up
    assert reader.poll() == [(20, "0@30")]
    assert reader.is_caught_up


def test_records_polled_together_with_the_end_count_as_past() -> None:
    fake = FakeTopicReader([[record(A, 0), record(A, 86_400)]], set(), caught_up_at_s=50.0)
    assert new_reader(fake, Host()).poll() == [(0, "0@0"), (86_400, "0@86400")]


def test_a_silent_partition_delays_the_others_only_briefly() -> None:
    fake, host = FakeTopicReader([[record(A, 10)]], {A, B}), Host()
    reader = new_reader(fake, host)
    assert reader.poll() == []
    host.seconds += 6
    assert reader.poll() == [(0, "0@10")]


def test_pauses_a_partition_that_is_ahead() -> None:
    fake = FakeTopicReader([[record(A, number) for number in range(2_000)]], {A, B})
    reader = new_reader(fake, Host())
    reader.poll()
    assert fake.paused == {A}
    fake.polls.append([record(B, 5_000)])
    reader.poll()
    assert fake.paused == set()


def test_time_follows_the_host_clock_once_caught_up_but_not_beyond_the_last_poll() -> None:
    fake, host = FakeTopicReader([[record(A, 10)]], set(), caught_up_at_s=50.0), Host()
    reader = new_reader(fake, host)
    reader.poll()
    host.seconds, fake.caught_up_at_s, fake.polls = 53.0, 52.0, [[record(A, 9_999)]]
    assert reader.poll() == [(3, "0@9999")], "the clock of the worker is not used"
    assert reader.settled_s == 2
    assert reader.is_live
    host.seconds = 100.0
    assert not reader.is_live


def test_time_follows_the_records_again_after_a_long_pause() -> None:
    fake, host = FakeTopicReader([[record(A, 0)]], set(), caught_up_at_s=50.0), Host()
    reader = new_reader(fake, host)
    reader.poll()
    host.seconds += 3_600
    fake.polls = [[record(A, 10), record(A, 200)]]
    assert reader.poll() == [(0, "0@10"), (190, "0@200")]
