"""Fake producer for delivery tests: keeps sent records with kafka-python's futures, and acknowledges on request."""

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from kafka.future import Future
from kafka.structs import OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.producers import LINGER_MS


@dataclass
class FakeProducer:
    """Fake producer.

    refuses: error that `send` raises. acknowledges: whether `flush` acknowledges records. commit_raises: error that
    committing a transaction raises. broken_by: error that broke the producer as a whole. committed: offsets of the
    committed transactions.
    """

    refuses: Exception | None = None
    acknowledges: bool = True
    commit_raises: Exception | None = None
    broken_by: Exception | None = None
    sent: list[tuple[str, bytes, dict[str, Any], Future]] = field(default_factory=list)
    times_ms: list[int] = field(default_factory=list)
    committed: list[dict[TopicPartition, OffsetAndMetadata]] = field(default_factory=list)
    closed: bool = False
    _offsets: dict[TopicPartition, OffsetAndMetadata] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._metadata = SimpleNamespace(_lock=threading.Lock(), _future=None)
        self._accumulator = SimpleNamespace(config={"linger_ms": LINGER_MS})

    @property
    def linger_ms(self) -> int:
        return int(self._accumulator.config["linger_ms"])

    @property
    def _sender(self) -> Any:
        return SimpleNamespace(force_close=lambda: None, join=lambda timeout: None)

    @property
    def _transaction_manager(self) -> Any:
        return SimpleNamespace(last_error=self.broken_by)

    def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]], timestamp_ms: int) -> Future:
        if self.refuses:
            raise self.refuses
        future = Future()
        self.sent.append((topic, value, {"key": key, **dict(headers)}, future))
        self.times_ms.append(timestamp_ms)
        return future

    def flush(self, timeout: float) -> None:
        for *_, future in self.sent:
            if self.acknowledges and not future.is_done:
                future.success(None)

    def begin_transaction(self) -> None: ...

    def send_offsets_to_transaction(self, offsets: dict[TopicPartition, OffsetAndMetadata], group: object) -> None:
        self._offsets = offsets

    def commit_transaction(self) -> None:
        if self.commit_raises:
            raise self.commit_raises
        self.committed.append(self._offsets)

    def close(self, timeout: float) -> None:
        self.closed = True
