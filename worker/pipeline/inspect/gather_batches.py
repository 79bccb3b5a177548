"""When a batch goes out: full, or at its deadline, or at once where there is no linger."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from stripwatch.worker.model.batch_policy import BatchLimits

T = TypeVar("T")


class MonotonicClock(Protocol):
    def monotonic(self) -> float: ...


def collect_batch(first: T, head: Callable[[float], T | None], limits: BatchLimits, clock: MonotonicClock) -> list[T]:
    """Grow a batch from its first item until it is full or that item has waited long enough.

    head: the next item, or None if none is there within the given seconds (0: at once).
    """
    batch = [first]
    deadline = clock.monotonic() + limits.linger_s_max
    while len(batch) < limits.frames_max:
        item = head(max(0.0, deadline - clock.monotonic()))
        if item is None:
            break
        batch.append(item)
    return batch
