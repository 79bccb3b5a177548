"""Records of several partitions in the order of their time, and the time that passes between them."""

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
    """Holds what came early until the partitions that are behind have caught up.

    Within a partition the order of offsets is kept, so a record that is older than the one before it counts as of the
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
        """The oldest first, for as long as there is one of each awaited partition."""
        while self._waiting and all(partition in self._waiting for partition in awaited):
            oldest = min(self._waiting, key=lambda partition: self._waiting[partition][0].time_ms)
            yield self._waiting[oldest].popleft()
            if not self._waiting[oldest]:
                del self._waiting[oldest]

    def full(self) -> set[TopicPartition]:
        """The partitions of which enough is held."""
        return {partition for partition, waiting in self._waiting.items() if _is_full(waiting)}

    def first_offsets(self) -> dict[TopicPartition, int]:
        return {partition: waiting[0].offset for partition, waiting in self._waiting.items()}


def _is_full(waiting: deque[Waiting[T]]) -> bool:
    return len(waiting) >= _FULL_RECORDS or sum(one.size_bytes for one in waiting) >= _FULL_BYTES


class StreamClock:
    """Seconds that pass in the records while old ones are read, and on this host when there are none.

    Only differences count, so it does not matter how old the records are, or whose clock is right.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self._record_s: float | None = None
        self._live_s: float | None = None

    def pass_record(self, time_s: float) -> float:
        """A record of the past was read."""
        last_s = time_s if self._record_s is None else self._record_s
        self.now_s += max(0.0, time_s - last_s)
        self._record_s, self._live_s = max(time_s, last_s), None
        return self.now_s

    def pass_live(self, monotonic_s: float) -> float:
        """All records were read at this time of the host."""
        last_s = monotonic_s if self._live_s is None else self._live_s
        self.now_s += max(0.0, monotonic_s - last_s)
        self._live_s, self._record_s = max(monotonic_s, last_s), None
        return self.now_s
