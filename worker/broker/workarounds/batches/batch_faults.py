"""Batches that cannot be read as they are: how they are reported, and what stands in for their values."""

from collections.abc import Callable
from typing import Literal

import structlog

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import DiscardedValue

log = structlog.get_logger()
_CRC_TRIES = 3

Fault = Literal["too_large", "damaged"]


class BatchFaults:
    """Reports each batch that cannot be read as it is, once, and counts failed checksums."""

    def __init__(self) -> None:
        self.report: Callable[[Fault], None] = lambda _: None
        self._failed: dict[str, tuple[int, int]] = {}  # by partition: the offset of a batch, and how often

    def found(self, fault: Fault, place: str, detail: str) -> None:
        self.report(fault)
        log.error("record batch cannot be read as it is; its frames are rejected", place=place, detail=detail)

    def is_lasting(self, partition: str, offset: int) -> bool:
        """Whether the batch there has failed its checksum so often that reading it again will not help."""
        failed_offset, count = self._failed.get(partition, (offset, 0))
        count = count + 1 if failed_offset == offset else 1
        self._failed[partition] = (offset, count)
        return count >= _CRC_TRIES


def too_large_value(size: int, limit: int) -> DiscardedValue:
    return DiscardedValue.of(size, RejectReason.TOO_MANY_BYTES, f"{size} bytes, over the limit of {limit}")


def unread_value(fault: Fault, place: str, detail: str) -> DiscardedValue:
    reason = RejectReason.TOO_MANY_BYTES if fault == "too_large" else RejectReason.UNDECODABLE
    return DiscardedValue.of(0, reason, f"the record batch {place} cannot be read: {detail}"[:500])
