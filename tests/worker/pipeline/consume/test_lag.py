"""The lag while the consumer fetches nothing, with a reader that answers or fails as told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume import lag
from stripwatch.worker.pipeline.consume.lag import LagMonitor
from tests.waiting import wait_until


class Topic:
    """The ends that are known of a topic."""

    id = "1"
    is_current = True

    def __init__(self) -> None:
        self.ends: dict[Any, int] = {}

    def note_ends(self, ends: dict[Any, int], _: str) -> None:
        self.ends.update(ends)

    def lags(self, next_offsets: dict[Partition, int]) -> dict[Partition, int]:
        ends = {Partition(*partition): end for partition, end in self.ends.items()}
        return {partition: ends[partition] - at for partition, at in next_offsets.items() if partition in ends}


class Tracker:
    """A tracker whose partitions a rebalance may take at any moment."""

    def __init__(self, *numbers: int) -> None:
        self.offsets = {Partition("frames", number): 10 for number in numbers}
        self.revoked: list[Partition] = []

    def next_offsets(self) -> dict[Partition, int]:
        return dict(self.offsets)

    def partitions(self) -> list[Partition]:
        return [partition for partition in self.offsets if partition not in self.revoked]


class Reader:
    """Answers with the end 25, and with an error before that if there are any."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked: list[list[TopicPartition]] = []

    def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        assert timeout_ms < 10_000
        self.asked.append(partitions)
        if self.errors:
            raise self.errors.pop(0)
        return dict.fromkeys(partitions, 25)


class Line:
    def __init__(self, tracker: Tracker, reader: Reader, *failures: Exception) -> None:
        self.metrics, self.topic, self.failures = Metrics(CollectorRegistry()), Topic(), list(failures)

        @contextmanager
        def open_reader() -> Iterator[Any]:
            if self.failures:
                raise self.failures.pop(0)
            yield reader

        self.monitor = LagMonitor(open_reader, self.topic, tracker, self.metrics)  # type: ignore[arg-type]

    def lag(self, partition: int) -> float | None:
        name = "stripwatch_consumer_lag_frames"
        return self.metrics.registry.get_sample_value(name, {"partition": str(partition)})


def test_asks_for_the_partitions_of_this_worker() -> None:
    reader = Reader()
    line = Line(Tracker(0, 2), reader)
    line.monitor.check(reader)
    assert reader.asked == [[TopicPartition("frames", 0), TopicPartition("frames", 2)]]
    assert [line.lag(partition) for partition in (0, 1, 2)] == [15, None, 15]


@pytest.mark.parametrize("why", ["nothing is assigned", "the topic was recreated"])
def test_does_not_ask_if_there_is_nothing_to_know(why: str) -> None:
    reader = Reader()
    line = Line(Tracker() if why == "nothing is assigned" else Tracker(0), reader)
    line.topic.is_current = why != "the topic was recreated"
    line.monitor.check(reader)
    assert reader.asked == []


def test_a_partition_that_is_revoked_meanwhile_leaves_no_series() -> None:
    reader, tracker = Reader(), Tracker(0, 1)
    tracker.revoked.append(Partition("frames", 1))
    line = Line(tracker, reader)
    line.monitor.check(reader)
    assert (line.lag(0), line.lag(1)) == (15, None)


def test_continues_after_an_outage_of_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lag, "_CHECK_S", 0.01)
    reader = Reader(KafkaTimeoutError("no answer"))
    line = Line(Tracker(0), reader, BrokerUnavailableError("Kafka is away"), RuntimeError("a fault"))
    line.monitor.start()
    wait_until(lambda: line.lag(0) == 15)
    line.monitor.close()
    assert not line.monitor._thread.is_alive()


def test_a_stop_does_not_wait_for_a_pending_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain of a worker begins with it, and Kafka may not respond."""
    monkeypatch.setattr(lag, "_CHECK_S", 0.01)
    asked, answered = threading.Event(), threading.Event()

    class SlowReader(Reader):
        def end_offsets(self, partitions: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
            asked.set()
            assert answered.wait(10)
            return super().end_offsets(partitions, timeout_ms)

    reader = SlowReader()
    line = Line(Tracker(0), reader)
    line.monitor.start()
    assert asked.wait(10)
    line.monitor.stop()
    assert line.monitor._thread.is_alive()
    answered.set()
    line.monitor.close()
    assert not line.monitor._thread.is_alive()
    assert len(reader.asked) == 1
