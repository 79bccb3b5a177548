from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from kafka.structs import TopicPartition

from stripwatch.worker.broker.time_ordered_reader import TimeOrderedReader
from stripwatch.worker.broker.topic_reader import TopicReader

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


@dataclass
class FakeTopicReader:
    """Hands out what it is given, one list a poll."""

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
    place = {"topic": partition.topic, "partition": partition.partition, "offset": offset}
    return SimpleNamespace(**place, timestamp=1000 * time_s, value=b"{}")


def new_reader(fake: FakeTopicReader, host: Host) -> TimeOrderedReader[str]:
    def read(record: Any) -> str:
        return f"{record.partition}@{record.timestamp / 1000:g}"

    return TimeOrderedReader(cast(TopicReader, fake), read, monotonic=host)


def test_the_past_comes_in_the_order_of_its_time_whichever_partition_is_read_first() -> None:
    fake, host = FakeTopicReader([[record(A, 10, 4), record(A, 30, 5)], [record(B, 20)]], {A, B}), Host()
    reader = new_reader(fake, host)
    assert reader.poll() == []
    assert reader.next_offsets() == {A: 4, B: 100}, "what waits is not handed out"
    assert reader.poll() == [(0, "0@10"), (10, "1@20")]
    fake.caught_up_at_s = 50.0
    assert not reader.is_caught_up
    assert reader.poll() == [(20, "0@30")]
    assert reader.is_caught_up


def test_what_is_read_at_once_with_the_end_is_of_the_past_too() -> None:
    fake = FakeTopicReader([[record(A, 0), record(A, 86_400)]], set(), caught_up_at_s=50.0)
    assert new_reader(fake, Host()).poll() == [(0, "0@0"), (86_400, "0@86400")]


def test_a_partition_that_gives_nothing_does_not_hold_up_the_others_for_long() -> None:
    fake, host = FakeTopicReader([[record(A, 10)]], {A, B}), Host()
    reader = new_reader(fake, host)
    assert reader.poll() == []
    host.seconds += 6
    assert reader.poll() == [(0, "0@10")]


def test_a_partition_that_is_ahead_is_paused() -> None:
    fake = FakeTopicReader([[record(A, number) for number in range(2_000)]], {A, B})
    reader = new_reader(fake, Host())
    reader.poll()
    assert fake.paused == {A}
    fake.polls.append([record(B, 5_000)])
    reader.poll()
    assert fake.paused == set()


def test_when_all_is_read_time_passes_on_the_host_and_only_as_far_as_was_read() -> None:
    fake, host = FakeTopicReader([[record(A, 10)]], set(), caught_up_at_s=50.0), Host()
    reader = new_reader(fake, host)
    reader.poll()
    host.seconds, fake.caught_up_at_s, fake.polls = 53.0, 52.0, [[record(A, 9_999)]]
    assert reader.poll() == [(3, "0@9999")], "the clock of a worker does not matter"
    assert reader.settled_s == 2
    assert reader.is_live
    host.seconds = 100.0
    assert not reader.is_live


def test_a_reader_that_was_stopped_for_an_hour_goes_by_the_records_again() -> None:
    fake, host = FakeTopicReader([[record(A, 0)]], set(), caught_up_at_s=50.0), Host()
    reader = new_reader(fake, host)
    reader.poll()
    host.seconds += 3_600
    fake.polls = [[record(A, 10), record(A, 200)]]
    assert reader.poll() == [(0, "0@10"), (190, "0@200")]
