"""Collects frames into a batch until it is full or the linger time has passed."""

from typing import Protocol, TypeVar

from stripwatch.worker.model.batch_policy import BatchLimits

T = TypeVar("T")
Item = TypeVar("Item", covariant=True)


class MonotonicClock(Protocol):
    def monotonic(self) -> float: ...


class ItemSource(Protocol[Item]):
    """Source of items, such as the decode pool.

    head: return the next item, or None if there is none within timeout_s seconds; 0 does not wait.
    """

    def head(self, timeout_s: float) -> Item | None: ...


def collect_batch(first: T, source: ItemSource[T], limits: BatchLimits, clock: MonotonicClock) -> list[T]:
    """Grow a batch from its first item until it is full or the first item has waited for linger_s_max."""
    batch = [first]
    deadline = clock.monotonic() + limits.linger_s_max
    while len(batch) < limits.frames_max:
        item = source.head(max(0.0, deadline - clock.monotonic()))
        if item is None:
            break
        batch.append(item)
    return batch
