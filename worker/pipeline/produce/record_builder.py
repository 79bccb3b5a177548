"""Events as records. `at_least_once.py` and `exactly_once.py` deliver them."""

from typing import NamedTuple

import msgspec
import structlog

from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import Headers, event_headers, frame_copy_headers
from stripwatch.worker.images.image_header import read_header

log = structlog.get_logger()


class OutgoingRecord(NamedTuple):
    """A record that goes out. frame_bytes: how much of the frame it carries; 0 in events."""

    topic: str
    key: bytes
    body: bytes
    headers: Headers
    frame_bytes: int = 0


class RecordBuilder:
    """Results, defects and rejects as CloudEvents in binary mode, keyed by camera. An event is serialised once."""

    def __init__(self, topics: Topics, reject_bytes_max: int) -> None:
        self._topics = topics
        self._reject_bytes_max = reject_bytes_max
        self._encoder = msgspec.json.Encoder()

    def build(self, event: Result | Reject, frame: Frame) -> list[OutgoingRecord]:
        key = frame.camera.encode()
        if isinstance(event, Reject):
            body = frame.encoded[: self._reject_bytes_max]
            return [OutgoingRecord(self._topics.rejects, key, body, reject_headers(event, frame, len(body)), len(body))]
        body = self._encoder.encode(event)
        records = [OutgoingRecord(self._topics.results, key, body, event_headers(frame, "result"))]
        if event.defects:
            records.append(OutgoingRecord(self._topics.defects, key, body, event_headers(frame, "defect")))
        return records

    def shorten_rejects(self, refused: OutgoingRecord) -> None:
        """Kafka refused a reject as too large: from now on none carries half as much of its frame."""
        self._reject_bytes_max = refused.frame_bytes // 2
        log.warning(
            "a reject was too large for its topic; rejects carry less of the frame from now on",
            topic=refused.topic,
            frame_bytes_max=self._reject_bytes_max,
        )


def reject_headers(event: Reject, frame: Frame, kept_bytes: int) -> Headers:
    """Reason, detail, how much is kept, then what `frame_copy_headers` says."""
    own = {"reason": event.reason, "detail": event.detail, "bytes": len(frame.encoded), "bytes_kept": kept_bytes}
    return frame_copy_headers(frame, "reject", b"application/octet-stream", own)


def review_headers(event: Result, frame: Frame) -> Headers:
    """The answer of the model for a frame that a person will judge, then what `frame_copy_headers` says."""
    own = {
        "event_id": event.id,
        "label": event.label,
        "score": event.score,
        "scores": msgspec.json.encode(event.scores).decode(),
        "model_name": event.model.name,
        "model_version": event.model.version,
        "model_sha256": event.model.sha256,
    }
    return frame_copy_headers(frame, "review", f"image/{read_header(frame.encoded).format}".encode(), own)
