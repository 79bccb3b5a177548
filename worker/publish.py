"""Events as records. `at_least_once.py` and `exactly_once.py` deliver them."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

import msgspec
import structlog

from stripwatch.worker.event import Reject, Result
from stripwatch.worker.frame import Frame, rfc3339
from stripwatch.worker.imagefile import read_header
from stripwatch.worker.sections import Topics

log = structlog.get_logger()

Headers = list[tuple[str, bytes]]
ORIGINAL_PREFIX = "original."  # before the name of each header that the camera sent
HEADERS_DROPPED, KEY_DROPPED = "stripwatch_headers_dropped", "stripwatch_key_dropped"
_KEY_BYTES_MAX = 1024


class Publisher(Protocol):
    """Where events go: Kafka, or a file. One thread calls."""

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        """Hand an event on; settle is called, from any thread, once the frame is fully accounted for."""

    def flush(self, timeout_s: float) -> None:
        """Wait until everything handed on is settled, or the time is up."""


class Outgoing(NamedTuple):
    """A record that goes out. frame_bytes: how much of the frame it carries; 0 in events."""

    topic: str
    key: bytes
    body: bytes
    headers: Headers
    frame_bytes: int = 0


class EventRecords:
    """Results, defects and rejects as CloudEvents in binary mode, keyed by camera. An event is serialised once."""

    def __init__(self, topics: Topics, reject_bytes_max: int) -> None:
        self._topics = topics
        self._reject_bytes_max = reject_bytes_max
        self._encoder = msgspec.json.Encoder()

    def make(self, event: Result | Reject, frame: Frame) -> list[Outgoing]:
        key = frame.camera.encode()
        if isinstance(event, Reject):
            body = frame.encoded[: self._reject_bytes_max]
            return [Outgoing(self._topics.rejects, key, body, reject_headers(event, frame, len(body)), len(body))]
        body = self._encoder.encode(event)
        records = [Outgoing(self._topics.results, key, body, event_headers(frame, "result"))]
        if event.defects:
            records.append(Outgoing(self._topics.defects, key, body, event_headers(frame, "defect")))
        return records

    def shorten_rejects(self, refused: Outgoing) -> None:
        """Kafka refused a reject as too large: from now on none carries half as much of its frame."""
        self._reject_bytes_max = refused.frame_bytes // 2
        log.warning(
            "a reject was too large for its topic; rejects carry less of the frame from now on",
            topic=refused.topic,
            frame_bytes_max=self._reject_bytes_max,
        )


def event_headers(frame: Frame, kind: str, content_type: bytes = b"application/json") -> Headers:
    """CloudEvents Kafka binding 1.0, binary mode. ce_time is the capture: that is when the strip was so.

    What else comes of a frame beside its result or its reject is an event of its own, so its id has an ending; inside
    each, or in a header, is the id of the result.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", (frame.id if kind in ("result", "reject") else f"{frame.id}-{kind}").encode()),
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
    """Reason, detail, how much is kept, then what `copy_headers` says."""
    own = {"reason": event.reason, "detail": event.detail, "bytes": len(frame.encoded), "bytes_kept": kept_bytes}
    return copy_headers(frame, "reject", b"application/octet-stream", own)


def review_headers(event: Result, frame: Frame) -> Headers:
    """What the model said of a frame that goes out whole, for a person to judge, then what `copy_headers` says."""
    own = {
        "event_id": event.id,
        "label": event.label,
        "score": event.score,
        "scores": msgspec.json.encode(event.scores).decode(),
        "model_name": event.model.name,
        "model_version": event.model.version,
        "model_sha256": event.model.sha256,
    }
    return copy_headers(frame, "review", f"image/{read_header(frame.encoded).format}".encode(), own)


def copy_headers(frame: Frame, kind: str, content_type: bytes, own: Mapping[str, Any]) -> Headers:
    """Of a record with a frame's own bytes: what is said of it, its original place, time and key, and the headers that
    the camera sent, each with a prefix.

    Headers that were too many or too large to keep are left out, and so is such a key; a header of its own says so.
    """
    place = frame.position._asdict() | {"timestamp_ms": frame.timestamp_ms}
    headers = event_headers(frame, kind, content_type)
    headers += [(f"stripwatch_{name}", str(value).encode()) for name, value in {**own, **place}.items()]
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
