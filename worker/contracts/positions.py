"""Records and their positions on Kafka, independent of kafka-python's types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from stripwatch.worker.common.errors import RejectReason


class Position(NamedTuple):
    """Topic, partition and offset of a record."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"

    @property
    def next_offset(self) -> int:
        """Offset to commit after this record."""
        return self.offset + 1


class DiscardedValue(bytes):
    """Empty placeholder for a value that was not kept.

    Attributes:
        size_bytes: Size of the value, in bytes.
        reason: Why the frame is rejected.
        detail: Sentence for a person: what exactly is wrong.
    """

    size_bytes: int
    reason: RejectReason
    detail: str

    @classmethod
    def of(cls, size_bytes: int, reason: RejectReason, detail: str) -> Self:
        """Create a placeholder; `bytes` has no constructor that takes these attributes."""
        value = cls()
        value.size_bytes, value.reason, value.detail = size_bytes, reason, detail
        return value


@dataclass(frozen=True, slots=True)
class Record:
    """A record read from Kafka, or made from a file in a folder."""

    position: Position
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Partition(NamedTuple):
    """Topic and partition number."""

    topic: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.number}"


class CommitPoint(NamedTuple):
    """Offset at which reading continues, and the metadata text that Kafka stores with it."""

    offset: int
    metadata: str = ""
