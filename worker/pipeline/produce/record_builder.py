"""Events as records. `at_least_once.py` and `exactly_once.py` deliver them."""

from dataclasses import replace
from typing import NamedTuple

import msgspec
from prometheus_client import Counter

from stripwatch.worker.broker.topic_limits import TopicLimits, record_bytes
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import (
    Headers,
    RejectHeaders,
    ReviewHeaders,
    event_headers,
    frame_copy_headers,
)
from stripwatch.worker.images.headers.reader import read_header

_RAW = "application/octet-stream"
_NUMBER_BYTES = 16  # upper bound of what the length of the body adds, in a header and before the body


class OutgoingRecord(NamedTuple):
    """A record that goes out. frame_ms: the time of the record of its frame, negative where there is none.

    frame_bytes: how much of the frame it carries, which can be less in a smaller record; 0 in events.
    """

    topic: str
    key: bytes
    body: bytes
    headers: Headers
    frame_ms: int = -1
    frame_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Upper bound of what Kafka compares with max.message.bytes of the topic."""
        return record_bytes(self.key, self.body, self.headers)

    def body_bytes_max(self, bytes_max: int) -> int:
        """How large the body of this record, which has none yet, may be in a record of bytes_max.

        Negative where the record is too large even without a body.
        """
        return bytes_max - self.size_bytes - _NUMBER_BYTES


class RecordBuilder:
    """Results, defects and rejects as CloudEvents in binary mode, keyed by camera. An event is serialised once.

    limits: of the topics. A reject that would be too large for its topic carries less of its frame, or none of it.
    shortened: counts such rejects.
    """

    def __init__(
        self,
        topics: Topics,
        reject_bytes_max: int,
        limits: TopicLimits | None = None,
        shortened: Counter | None = None,
    ) -> None:
        self.limits = limits or TopicLimits()
        self._topics = topics
        self._reject_bytes_max = reject_bytes_max
        self._shortened = shortened
        self._encoder = msgspec.json.Encoder()

    def build(self, event: Result | Reject, frame: Frame) -> list[OutgoingRecord]:
        if isinstance(event, Reject):
            return [self._fitting_reject(event, frame)]
        key, frame_ms, body = frame.camera.encode(), frame.record_ms, self._encoder.encode(event)
        records = [OutgoingRecord(self._topics.results, key, body, event_headers(frame, "result"), frame_ms)]
        if event.defects:
            records.append(OutgoingRecord(self._topics.defects, key, body, event_headers(frame, "defect"), frame_ms))
        return records

    def _fitting_reject(self, event: Reject, frame: Frame) -> OutgoingRecord:
        record = self._reject(event, frame, self._reject_bytes_max)
        bytes_max = self.limits.bytes_max(self._topics.rejects)
        if bytes_max is None or record.size_bytes <= bytes_max:
            return record
        if self._shortened is not None:
            self._shortened.inc()
        room_bytes = self._reject(event, frame, 0).body_bytes_max(bytes_max)
        if room_bytes >= 0:
            return self._reject(event, frame, min(self._reject_bytes_max, room_bytes))
        return self._reject(event, replace(frame, headers=None), 0)

    def _reject(self, event: Reject, frame: Frame, bytes_max: int) -> OutgoingRecord:
        body = frame.encoded[:bytes_max]
        headers = reject_headers(event, frame, len(body))
        return OutgoingRecord(self._topics.rejects, frame.camera.encode(), body, headers, frame.record_ms, len(body))


def reject_headers(event: Reject, frame: Frame, kept_bytes: int) -> Headers:
    own = RejectHeaders(event.reason, event.detail, frame.sent_bytes, kept_bytes)
    return frame_copy_headers(frame, "reject", _RAW, own)


def review_headers(event: Result, frame: Frame) -> Headers:
    assert event.label is not None
    assert event.score is not None
    scores = msgspec.json.encode(event.scores).decode()
    own = ReviewHeaders(
        event.id, event.label, event.score, scores, event.model.name, event.model.version, event.model.sha256
    )
    return frame_copy_headers(frame, "review", _content_type(frame), own)


def _content_type(frame: Frame) -> str:
    """Of a frame that was decoded. Its layout, where it is a raw buffer, is in the headers that the camera sent."""
    return _RAW if frame.layout else f"image/{read_header(frame.encoded).format}"
