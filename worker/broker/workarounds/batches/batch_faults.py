"""Reporting of record batches that are too large or damaged, and placeholders for their values."""

from collections.abc import Callable
from typing import Literal

import structlog

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import DiscardedValue

log = structlog.get_logger()
_CRC_TRIES = 3

Fault = Literal["too_large", "damaged"]


class BatchFaults:
    """Reports batches that are too large or damaged, and counts failed checksums.

    Attributes:
        report: Called with the fault of each such batch, for a metric.
    """

    def __init__(self) -> None:
        self.report: Callable[[Fault], None] = lambda _: None
        self._failed: dict[str, tuple[int, int]] = {}  # offset of a batch and number of failures, by partition

    def record(self, fault: Fault, batch: str, detail: str) -> None:
        """Report and log a batch. batch: topic, partition and base offset."""
        self.report(fault)
        log.error("record batch is too large or damaged; rejecting its frames", batch=batch, detail=detail)

    def is_lasting(self, partition: str, offset: int) -> bool:
        """Count a failed checksum, and return whether there were so many that another attempt would not help."""
        failed_offset, count = self._failed.get(partition, (offset, 0))
        count = count + 1 if failed_offset == offset else 1
        self._failed[partition] = (offset, count)
        return count >= _CRC_TRIES


def too_large_value(size: int, limit: int) -> DiscardedValue:
    """Return the placeholder for a value that exceeds the size limit of a record."""
    return DiscardedValue.of(size, RejectReason.TOO_MANY_BYTES, f"{size} bytes, over the limit of {limit}")


def unread_value(fault: Fault, batch: str, detail: str) -> DiscardedValue:
    """Return the placeholder for values of a batch that cannot be read."""
    reason = RejectReason.TOO_MANY_BYTES if fault == "too_large" else RejectReason.UNDECODABLE
    return DiscardedValue.of(0, reason, f"the record batch {batch} cannot be read: {detail}"[:500])
