"""When a batch goes out: full, or at its deadline, or at once where there is no linger."""

from typing import Protocol, TypeVar

from stripwatch.worker.model.batch_policy import BatchLimits

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


class MonotonicClock(Protocol):
    def monotonic(self) -> float: ...


class ItemSource(Protocol[Item]):
    """The decode pool. head: the next item, or None if none is there within timeout_s (0: at once)."""

    def head(self, timeout_s: float) -> Item | None: ...


def collect_batch(first: T, source: ItemSource[T], limits: BatchLimits, clock: MonotonicClock) -> list[T]:
    """Grow a batch from its first item until it is full or that item has waited long enough."""
    batch = [first]
    deadline = clock.monotonic() + limits.linger_s_max
    while len(batch) < limits.frames_max:
        item = source.head(max(0.0, deadline - clock.monotonic()))
        if item is None:
            break
        batch.append(item)
    return batch
