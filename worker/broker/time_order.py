"""Merge records of several partitions in the order of their time, and measure the time between them."""

from collections import deque
from collections.abc import Iterator, Set
from typing import Generic, NamedTuple, TypeVar

from kafka.structs import TopicPartition

T = TypeVar("T")
_FULL_RECORDS, _FULL_BYTES = 2_000, 16_000_000


class Waiting(NamedTuple, Generic[T]):
    time_ms: int
    offset: int
    size_bytes: int
    item: T


class TimeOrder(Generic[T]):
    """Buffer that holds early records until slower partitions have caught up.

    The order of offsets within a partition is kept: a record that is older than its predecessor counts as having the
    same time.
    """

    def __init__(self) -> None:
        self._waiting: dict[TopicPartition, deque[Waiting[T]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def push(self, partition: TopicPartition, time_ms: int, offset: int, item: T, size_bytes: int = 0) -> None:
        waiting = self._waiting.setdefault(partition, deque())
        time_ms = max(time_ms, waiting[-1].time_ms) if waiting else time_ms
        waiting.append(Waiting(time_ms, offset, size_bytes, item))

    def pop(self, awaited: Set[TopicPartition]) -> Iterator[Waiting[T]]:
        """Yield the oldest items first, as long as there is an item of each awaited partition."""
        while self._waiting and all(partition in self._waiting for partition in awaited):
            oldest = min(self._waiting, key=lambda partition: self._waiting[partition][0].time_ms)
            yield self._waiting[oldest].popleft()
            if not self._waiting[oldest]:
                del self._waiting[oldest]

    def full(self) -> set[TopicPartition]:
        """Return the partitions whose buffer is full."""
        return {partition for partition, waiting in self._waiting.items() if _is_full(waiting)}

    def first_offsets(self) -> dict[TopicPartition, int]:
        return {partition: waiting[0].offset for partition, waiting in self._waiting.items()}


def _is_full(waiting: deque[Waiting[T]]) -> bool:
    return len(waiting) >= _FULL_RECORDS or sum(one.size_bytes for one in waiting) >= _FULL_BYTES


class StreamClock:
    """Clock that follows the times of records while old ones are read, and this host's clock afterwards.

    Only differences count, so the age of the records and errors of clocks do not matter.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self._record_s: float | None = None
        self._live_s: float | None = None

    def pass_record(self, time_s: float) -> float:
        """Advance to the time of a record that was read, and return the clock's time."""
        last_s = time_s if self._record_s is None else self._record_s
        self.now_s += max(0.0, time_s - last_s)
        self._record_s, self._live_s = max(time_s, last_s), None
        return self.now_s

    def pass_live(self, monotonic_s: float) -> float:
        """Advance to a time of the host at which all records had been read, and return the clock's time."""
        last_s = monotonic_s if self._live_s is None else self._live_s
        self.now_s += max(0.0, monotonic_s - last_s)
        self._live_s, self._record_s = max(monotonic_s, last_s), None
        return self.now_s
