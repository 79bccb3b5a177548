"""Read topics like TopicReader, but deliver past records of all partitions in the order of their time."""

import time
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from kafka.structs import TopicPartition

from stripwatch.worker.broker.consumers import partition_of
from stripwatch.worker.broker.time_order import StreamClock, TimeOrder

T = TypeVar("T")
_LIVE_S = 10.0  # live means that all records were read within this time
_PATIENCE_S = 5.0  # afterwards a partition without a leader does not hold up the others


class RecordSource(Protocol):
    """The records that are to be delivered: whole topics (TopicReader), or parts of them.

    caught_up_at_s: all records that existed at this time have been read; None before that.
    """

    caught_up_at_s: float | None

    def poll(self) -> list[Any]:
        """Return the new records, after a short wait if there are none."""

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Return the offsets of the next records to read."""

    def behind(self) -> set[TopicPartition]:
        """Return the partitions that have not been read up to their known ends."""

    def pause_only(self, partitions: set[TopicPartition]) -> None:
        """Pause these partitions and resume all others."""


class Timed(NamedTuple, Generic[T]):
    """An item with its time on the reader's clock, which follows the records."""

    now_s: float
    item: T


class TimeOrderedReader(Generic[T]):
    """Delivers records in the order of their time, pausing partitions that are ahead of others by up to days.

    Args:
        reader: The reader of the records.
        read: Converts a record into the item that is buffered; the record of a reject may carry 36 MB.
        clock: Clock of a previous reader, to continue its time.
        monotonic: Monotonic time in seconds.
    """

    def __init__(
        self,
        reader: RecordSource,
        read: Callable[[Any], T],
        clock: StreamClock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._read = read
        self._monotonic = monotonic
        self._order = TimeOrder[T]()
        self._clock = clock or StreamClock()
        self._began_s = monotonic()
        self._was_live = False
        self._delivered_s: dict[TopicPartition, float] = {}

    @property
    def is_caught_up(self) -> bool:
        """Whether all records that existed when reading began have been delivered."""
        return self._reader.caught_up_at_s is not None and not self._order

    @property
    def is_live(self) -> bool:
        return self.is_caught_up and self._lag_s() < _LIVE_S

    @property
    def settled_s(self) -> float:
        """Time on the reader's clock up to which all records have been delivered."""
        return self._clock.now_s - (self._lag_s() if self.is_live else 0.0)

    def poll(self) -> list[Timed[T]]:
        """Return the items that are due, after a short wait if there are none."""
        records = self._reader.poll()
        polled_s = self._monotonic()
        for record in records:
            partition = partition_of(record)
            self._delivered_s[partition] = polled_s
            size_bytes = len(record.value or b"")
            self._order.push(partition, record.timestamp, record.offset, self._read(record), size_bytes)
        live = self._was_live and self._lag_s() < _LIVE_S
        awaited = set() if self._reader.caught_up_at_s is not None else self._awaited(polled_s)
        ready = [
            Timed(
                self._clock.pass_live(polled_s) if live else self._clock.pass_record(waiting.time_ms / 1000),
                waiting.item,
            )
            for waiting in self._order.pop(awaited)
        ]
        self._was_live = self.is_live
        if self._was_live:
            self._clock.pass_live(polled_s)
        self._reader.pause_only(self._order.full())
        return ready

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Return the offsets of the first records that were not delivered yet."""
        return self._reader.next_offsets() | self._order.first_offsets()

    def _awaited(self, now_s: float) -> set[TopicPartition]:
        return {
            partition
            for partition in self._reader.behind()
            if now_s - self._delivered_s.get(partition, self._began_s) < _PATIENCE_S
        }

    def _lag_s(self) -> float:
        caught_up_at_s = self._reader.caught_up_at_s
        return 0.0 if caught_up_at_s is None else max(0.0, self._monotonic() - caught_up_at_s)
