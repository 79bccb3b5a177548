"""Events out. A frame is settled when the broker has acknowledged every record that it became."""

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from worker.errors import BrokerLost
from worker.event import Reject, Result
from worker.frame import Frame, rfc3339
from worker.settings import Topics

Headers = list[tuple[str, bytes]]
ORIGINAL_PREFIX = "original."  # before the name of each header that the camera sent
HEADERS_DROPPED, KEY_DROPPED = "stripwatch_headers_dropped", "stripwatch_key_dropped"
_KEY_BYTES_MAX = 1024
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)


class Publisher(Protocol):
    """Where events go: Kafka, or a file. One thread calls."""

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        """Hand an event on; settle is called, from any thread, once it is safe."""

    def flush(self, timeout_s: float) -> None:
        """Wait until everything handed on is settled, or the time is up."""


class KafkaPublisher:
    """Results, defects and rejects as CloudEvents in binary mode, keyed by camera.

    failed: called, from the producer's thread, with a BrokerLost when a record cannot be delivered. Nothing is
    settled then, so its offset is never committed and the next worker inspects the frame again.
    """

    def __init__(
        self, producer: KafkaProducer, topics: Topics, reject_bytes_max: int, failed: Callable[[BrokerLost], None]
    ) -> None:
        self._producer = producer
        self._topics = topics
        self._reject_bytes_max = reject_bytes_max
        self._failed = failed
        self._encoder = msgspec.json.Encoder()

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        if isinstance(event, Reject):
            self._publish_reject(event, frame, frame.encoded[: self._reject_bytes_max], settle)
            return
        body = self._encoder.encode(event)
        if not event.defects:
            self._send(self._topics.results, frame, body, event_headers(frame, "result"), settle, self._lost)
            return
        both = _AfterCalls(2, settle)
        self._send(self._topics.results, frame, body, event_headers(frame, "result"), both, self._lost)
        self._send(self._topics.defects, frame, body, event_headers(frame, "defect"), both, self._lost)

    def flush(self, timeout_s: float) -> None:
        try:
            self._producer.flush(timeout=timeout_s)
        except KafkaError as error:
            raise BrokerLost(f"the broker did not acknowledge all results within {timeout_s:.0f} s: {error}") from error

    def _publish_reject(self, event: Reject, frame: Frame, body: bytes, settle: Callable[[], None]) -> None:
        def refused(topic: str, error: KafkaError) -> None:
            """Too large for producer or topic: go without the frame rather than not at all, the reason matters most."""
            if body and isinstance(error, _TOO_LARGE):
                self._publish_reject(event, frame, b"", settle)
            else:
                self._lost(topic, error)

        self._send(self._topics.rejects, frame, body, reject_headers(event, frame, len(body)), settle, refused)

    def _send(
        self,
        topic: str,
        frame: Frame,
        body: bytes,
        headers: Headers,
        settle: Callable[[], None],
        refused: Callable[[str, KafkaError], None],
    ) -> None:
        try:
            future = self._producer.send(topic, body, key=frame.camera.encode(), headers=headers)
        except KafkaError as error:
            refused(topic, error)
            return
        future.add_callback(lambda _: settle())
        future.add_errback(lambda error: refused(topic, error))

    def _lost(self, topic: str, error: KafkaError) -> None:
        self._failed(BrokerLost(f"{topic} did not take a record: {type(error).__name__}: {error}"))


class _AfterCalls:
    """Calls through at the n-th call; acknowledgements of two topics may come from two threads."""

    def __init__(self, n: int, then: Callable[[], None]) -> None:
        self._left = n
        self._then = then
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self._left -= 1
            done = self._left == 0
        if done:
            self._then()


def event_headers(frame: Frame, kind: str, content_type: bytes = b"application/json") -> Headers:
    """CloudEvents Kafka binding 1.0, binary mode. ce_time is the capture: that is when the strip was so.

    Results, defects and what a shadow says are events of their own, so the ids of all but the first have an ending;
    inside each is the id of the result.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", (f"{frame.id}-{kind}" if kind in ("defect", "shadow") else frame.id).encode()),
        ("ce_source", _source(frame.line, frame.camera)),
        ("ce_type", f"stripwatch.{kind}.v1".encode()),
        ("ce_time", rfc3339(frame.captured_ms).encode()),
        ("content-type", content_type),
    ]
    if frame.coil is not None:
        headers.append(("ce_subject", frame.coil.encode()))
    if frame.strip_position_mm is not None:
        headers.append(("ce_strippositionmm", str(frame.strip_position_mm).encode()))
    if frame.traceparent is not None:
        headers.append(("traceparent", frame.traceparent.encode()))
    return headers


def reject_headers(event: Reject, frame: Frame, kept_bytes: int) -> Headers:
    """Reason, detail and original place, key and time, then the headers that the camera sent, each with a prefix.

    Headers that were too many or too large to keep are left out, and so is such a key; a header of its own says so.
    """
    own: dict[str, Any] = {
        "reason": event.reason,
        "detail": event.detail,
        "topic": frame.position.topic,
        "partition": frame.position.partition,
        "offset": frame.position.offset,
        "timestamp_ms": frame.timestamp_ms,
        "bytes": len(frame.encoded),
        "bytes_kept": kept_bytes,
    }
    headers = event_headers(frame, "reject", b"application/octet-stream")
    headers += [(f"stripwatch_{name}", str(value).encode()) for name, value in own.items()]
    if frame.key is not None:
        kept = len(frame.key) <= _KEY_BYTES_MAX
        headers.append(("stripwatch_key", frame.key) if kept else (KEY_DROPPED, b"1"))
    if frame.headers is None:
        headers.append((HEADERS_DROPPED, b"1"))
    headers += [(ORIGINAL_PREFIX + name, value) for name, value in frame.headers or ()]
    return headers


@lru_cache(maxsize=1024)
def _source(line: str | None, camera: str) -> bytes:
    return f"{quote(line or '')}/{quote(camera, safe='')}".encode()
