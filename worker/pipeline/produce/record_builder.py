"""Builds the Kafka records of events. `at_least_once.py` and `exactly_once.py` deliver them."""

from dataclasses import replace
from typing import NamedTuple

import msgspec
from prometheus_client import Counter

from stripwatch.worker.broker.topic_limits import TopicLimits, record_bytes
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.events import Candidate, Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import (
    ANOMALY,
    Headers,
    RejectHeaders,
    ReviewHeaders,
    event_headers,
    frame_copy_headers,
)
from stripwatch.worker.images.headers.reader import read_header

_RAW = "application/octet-stream"
_NUMBER_BYTES = 16  # upper bound for the encoded length of the body, in a header and before the body


class OutgoingRecord(NamedTuple):
    """A record to be sent.

    frame_ms: timestamp of the frame's own record, negative if it has none. frame_bytes: number of bytes of the frame in
    the body, which a smaller record may reduce; 0 for events.
    """

    topic: str
    key: bytes
    body: bytes
    headers: Headers
    frame_ms: int = -1
    frame_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """Upper bound of the size that Kafka compares with the topic's max.message.bytes."""
        return record_bytes(self.key, self.body, self.headers)

    def body_bytes_max(self, bytes_max: int) -> int:
        """Return how large the body may be in a record of bytes_max. This record must have an empty body.

        The result is negative if the record is too large even without a body.
        """
        return bytes_max - self.size_bytes - _NUMBER_BYTES


class RecordBuilder:
    """Builds results, defect events and rejects as CloudEvents in binary mode, with the camera as key.

    An event is serialised once. limits: size limits of the topics; a reject that exceeds its limit carries less of its
    frame, or nothing of it. shortened: counts such rejects.
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


def review_headers(event: Result, frame: Frame, kind: str = "review") -> Headers:
    """Return the headers of a copy of an inspected frame: for review, or with the correction of a person."""
    assert event.label is not None
    assert event.score is not None
    scores = msgspec.json.encode(event.scores).decode()
    model = event.model
    own = ReviewHeaders(
        *(event.id, event.label, event.score, scores, model.name, model.version, model.sha256),
        reason=review_reason(event),
        novelty=event.novelty,
        novelty_threshold=None if event.novelty is None else model.novelty_threshold,
        boxes=_boxes_text(event),
        no_defect=model.no_defect,
    )
    return frame_copy_headers(frame, kind, _content_type(frame), own)


def _boxes_text(event: Result) -> str | None:
    """Return the boxes of a result as JSON: those of its defects, or what an unsure frame has instead."""
    found = [Candidate(each.label, each.score, each.box_px) for each in event.defects if each.box_px]
    boxes = found or event.candidates
    return msgspec.json.encode(boxes).decode() if boxes else None


def review_reason(event: Result) -> str | None:
    """Return why a person should look at a frame, or None for a frame that the model is certain of."""
    if event.verdict == "unsure":
        return event.reason.value if event.reason else None
    return ANOMALY if event.verdict == "defect" and event.model.task == ANOMALY else None


def _content_type(frame: Frame) -> str:
    """Return the content type of a decoded frame. The layout of a raw buffer is in the headers sent by the camera."""
    return _RAW if frame.layout else f"image/{read_header(frame.encoded).format}"
