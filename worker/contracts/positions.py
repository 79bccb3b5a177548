"""Where a record lies on Kafka, and the record itself, without kafka-python's types."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from stripwatch.worker.common.errors import RejectReason


class Position(NamedTuple):
    """Where a frame came from. Nobody else needs to remember the `+ 1` of a commit."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}-{self.offset}"

    @property
    def next_offset(self) -> int:
        return self.offset + 1


class DiscardedValue(bytes):
    """In place of a value that was not kept: no bytes, the size that it had, and why the frame is rejected."""

    size_bytes: int
    reason: RejectReason
    detail: str

    @classmethod
    def of(cls, size_bytes: int, reason: RejectReason, detail: str) -> Self:
        value = cls()
        value.size_bytes, value.reason, value.detail = size_bytes, reason, detail
        return value


@dataclass(frozen=True, slots=True)
class Record:
    """What a broker (or a folder) hands over: a Kafka record without kafka-python's type."""

    position: Position
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Partition(NamedTuple):
    topic: str
    number: int

    @property
    def name(self) -> str:
        return f"{self.topic}-{self.number}"


class CommitPoint(NamedTuple):
    """Where reading continues, and the text that Kafka keeps with it."""

    offset: int
    metadata: str = ""
