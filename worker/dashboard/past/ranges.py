"""Ranges of records by time, and a reader that ends at their end."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer
from kafka.structs import TopicPartition

from stripwatch.worker.broker.connection import broker_errors, unreachable
from stripwatch.worker.broker.consumers import all_partitions
from stripwatch.worker.dashboard.past.errors import KafkaError

_POLL_MS = 200
STANDSTILL_S_MAX = 15.0
_DAY_MS = 86_400_000
_HALVINGS = 24  # of a month, down to a fraction of a second


class OffsetRange(NamedTuple):
    """Records of a partition, from `first` up to but without `end`."""

    first: int
    end: int

    @property
    def records(self) -> int:
        return max(0, self.end - self.first)


Ranges = Mapping[TopicPartition, OffsetRange]


class RecordTimes:
    """The offsets of records by their time, in some topics. Topics that do not exist have no records."""

    def __init__(self, consumer: KafkaConsumer, topics: Collection[str]) -> None:
        self._consumer = consumer
        with broker_errors(consumer):
            self._partitions = all_partitions(consumer, topics)
            self.begins: dict[TopicPartition, int] = consumer.beginning_offsets(self._partitions)
            self.ends: dict[TopicPartition, int] = consumer.end_offsets(self._partitions)

    def oldest_ms(self) -> int | None:
        """Return the time of the oldest record; None if there are none."""
        with broker_errors(self._consumer):
            found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, 0))
        times = [at.timestamp for tp, at in found.items() if at and at.timestamp >= 0 and self.ends[tp] > at.offset]
        return min(times, default=None)

    def between(self, from_ms: int | None, to_ms: int | None) -> dict[TopicPartition, OffsetRange]:
        """Return the records from one time up to another; None is the beginning, or the end at the time of opening."""
        firsts = self.begins if from_ms is None else self._first_since(from_ms)
        ends = self.ends if to_ms is None else self._first_since(to_ms + 1)
        return {tp: OffsetRange(firsts[tp], max(firsts[tp], ends[tp])) for tp in self._partitions}

    def newest(self, from_ms: int | None, to_ms: int | None, records_max: int) -> tuple[Ranges, int | None]:
        """Return the newest records of a time range, and the time at which they begin if they are not all.

        All partitions begin at this time.
        """
        found = self.between(from_ms, to_ms)
        if _total(found) <= records_max:
            return found, None
        low_ms = max(from_ms or 0, self.oldest_ms() or 0)
        high_ms, step_ms = max(low_ms, to_ms or round(time.time() * 1000)), _DAY_MS
        while _total(self.between(high_ms, to_ms)) > records_max:  # the clock of a worker may be ahead of this one
            high_ms, step_ms = high_ms + step_ms, 2 * step_ms
        for _ in range(_HALVINGS):
            middle_ms = (low_ms + high_ms) // 2
            if _total(self.between(middle_ms, to_ms)) > records_max:
                low_ms = middle_ms
            else:
                high_ms = middle_ms
        return self.between(high_ms, to_ms), high_ms

    def _first_since(self, time_ms: int) -> dict[TopicPartition, int]:
        with broker_errors(self._consumer):
            found = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, max(0, time_ms)))
        # Without such a record, Kafka returns nothing, and the embedded broker returns the time -1.
        return {
            tp: at.offset if (at := found.get(tp)) and at.timestamp >= 0 else self.ends[tp] for tp in self._partitions
        }


class RangeReader:
    """Reads ranges of records. The interface is that of TopicReader, as far as TimeOrderedReader needs it.

    Not thread-safe. Raises BrokerUnavailableError, and KafkaError if nothing arrives for STANDSTILL_S_MAX.
    """

    def __init__(
        self, consumer: KafkaConsumer, ranges: Ranges, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.caught_up_at_s: float | None = None
        self.total = _total(ranges)
        self.read = 0
        self._consumer = consumer
        self._monotonic = monotonic
        self._unread = {tp: at for tp, at in ranges.items() if at.records}
        self._moved_s = monotonic()
        with broker_errors(consumer):
            assign_only(consumer, list(self._unread))
            for tp, at in self._unread.items():
                consumer.seek(tp, at.first)
        self._note_end()

    def poll(self) -> list[Any]:
        """Return the next records, after a short wait if there are none."""
        if not self._unread:
            return []
        with broker_errors(self._consumer):
            polled = self._consumer.poll(timeout_ms=_POLL_MS)
            records = [
                record
                for tp, batch in polled.items()
                for record in batch
                if tp in self._unread and record.offset < self._unread[tp].end
            ]
            done = {tp for tp, at in self._unread.items() if self._consumer.position(tp) >= at.end}
            self._consumer.pause(*done)
        self._note_movement(bool(records or done))
        for tp in done:
            del self._unread[tp]
        self.read += len(records)
        self._note_end()
        return records

    def behind(self) -> set[TopicPartition]:
        return set(self._unread)

    def pause_only(self, partitions: set[TopicPartition]) -> None:
        """Pause these partitions and resume the others that are not read to their end."""
        paused = self._consumer.paused()
        self._consumer.pause(*(partitions & self.behind()) - paused)
        self._consumer.resume(*(paused & self.behind()) - partitions)
        if partitions >= self.behind():
            self._moved_s = self._monotonic()

    def next_offsets(self) -> dict[TopicPartition, int]:
        with broker_errors(self._consumer):
            return {tp: self._consumer.position(tp) for tp in self._unread}

    def _note_movement(self, moved: bool) -> None:
        now_s = self._monotonic()
        if moved:
            self._moved_s = now_s
        elif now_s - self._moved_s > STANDSTILL_S_MAX:
            why = unreachable(self._consumer) or "its brokers can be reached; check that each partition has a leader"
            raise KafkaError(f"Kafka sent nothing for {STANDSTILL_S_MAX:.0f} s: {why}")

    def _note_end(self) -> None:
        if not self._unread and self.caught_up_at_s is None:
            self.caught_up_at_s = self._monotonic()


def assign_only(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
    """Assign partitions, none of which is paused: kafka-python keeps paused partitions paused if they are assigned
    again.
    """
    consumer.unsubscribe()
    if partitions:
        consumer.assign(partitions)


def _total(ranges: Ranges) -> int:
    return sum(at.records for at in ranges.values())
