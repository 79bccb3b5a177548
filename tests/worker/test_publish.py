"""Records as they go out, on a fake producer at the border; the end-to-end tests show the same on real brokers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future

from tests.frames import make_frame
from tests.models import make_model
from worker.errors import BrokerLost, FrameRejected, RejectReason
from worker.event import EventMaker, Reject, Result
from worker.frame import Frame
from worker.outcome import Prediction, Refusal
from worker.publish import KafkaPublisher, event_headers
from worker.settings import Topics

EVENTS, MODEL = EventMaker({}), make_model()


@dataclass
class FakeProducer:
    """Keeps what was sent, with kafka-python's own futures; acknowledges when told."""

    bytes_max: int = 1_000_000
    refuses: Exception | None = None
    sent: list[tuple[str, bytes, dict[str, Any], Future]] = field(default_factory=list)

    def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> Future:
        if self.refuses:
            raise self.refuses
        if len(value) > self.bytes_max:
            raise MessageSizeTooLargeError("too large")
        future = Future()
        self.sent.append((topic, value, {"key": key, **dict(headers)}, future))
        return future

    def flush(self, timeout: float) -> None:
        raise KafkaTimeoutError("still waiting")


class Settled:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def publisher(producer: FakeProducer, failed: Callable[[BrokerLost], None] = lambda _: None) -> KafkaPublisher:
    return KafkaPublisher(producer, Topics(), reject_bytes_max=1000, failed=failed)


def result(frame: Frame, defect: bool) -> Result:
    scores = (0.1, 0.9) if defect else (0.9, 0.1)
    return EVENTS.result(Prediction(frame, MODEL, 10, 10, scores, 0.0, 0.0, 0.0), 0.0)


def reject(frame: Frame) -> Reject:
    return EVENTS.reject(Refusal(frame, MODEL, FrameRejected(RejectReason.TRUNCATED, "half")))


def test_a_clean_result_settles_with_its_one_acknowledgement() -> None:
    producer, settled, frame = FakeProducer(), Settled(), make_frame()
    publisher(producer).publish(result(frame, defect=False), frame, settled)
    ((topic, body, headers, future),) = producer.sent
    assert (topic, headers["key"]) == ("inspection.results", b"top-1")
    assert msgspec.json.decode(body)["id"] == frame.id
    assert settled.count == 0
    future.success(None)
    assert settled.count == 1


def test_a_defect_settles_only_with_both_acknowledgements_and_is_serialised_once() -> None:
    producer, settled, frame = FakeProducer(), Settled(), make_frame()
    publisher(producer).publish(result(frame, defect=True), frame, settled)
    assert [topic for topic, *_ in producer.sent] == ["inspection.results", "inspection.defects"]
    assert producer.sent[0][1] is producer.sent[1][1]
    producer.sent[1][3].success(None)
    assert settled.count == 0
    producer.sent[0][3].success(None)
    assert settled.count == 1


def test_a_refused_record_settles_nothing_and_says_so() -> None:
    errors: list[BrokerLost] = []
    producer, settled, frame = FakeProducer(), Settled(), make_frame()
    publisher(producer, errors.append).publish(result(frame, defect=True), frame, settled)
    producer.sent[0][3].success(None)
    producer.sent[1][3].failure(KafkaTimeoutError("gone"))
    assert settled.count == 0
    assert "inspection.defects" in str(errors[0])


def test_a_reject_carries_the_frame_its_reason_and_its_headers() -> None:
    producer, frame = FakeProducer(), make_frame(7, b"abc", headers=(("ce_id", b"1"),), timestamp_ms=99)
    publisher(producer).publish(reject(frame), frame, Settled())
    ((topic, body, headers, _),) = producer.sent
    assert (topic, body) == ("inspection.rejects", b"abc")
    assert headers["stripwatch_reason"] == b"truncated"
    assert headers["stripwatch_offset"] == b"7"
    assert headers["original.ce_id"] == b"1"
    assert (headers["stripwatch_key"], headers["stripwatch_timestamp_ms"]) == (b"top-1", b"99")


def test_a_reject_that_is_too_large_goes_without_its_frame_rather_than_not_at_all() -> None:
    producer, frame = FakeProducer(bytes_max=10), make_frame(0, b"x" * 500)
    publisher(producer).publish(reject(frame), frame, Settled())
    ((_, body, headers, _),) = producer.sent
    assert (body, headers["stripwatch_bytes"], headers["stripwatch_bytes_kept"]) == (b"", b"500", b"0")


def test_a_reject_that_the_topic_refuses_goes_without_its_frame() -> None:
    producer, settled, frame = FakeProducer(), Settled(), make_frame(0, b"x" * 500)
    publisher(producer).publish(reject(frame), frame, settled)
    producer.sent[0][3].failure(MessageSizeTooLargeError("the topic takes less"))
    assert settled.count == 0
    assert producer.sent[1][1] == b""
    producer.sent[1][3].success(None)
    assert settled.count == 1


def test_a_reject_that_cannot_go_at_all_is_a_lost_broker() -> None:
    errors: list[BrokerLost] = []
    producer, frame = FakeProducer(), make_frame(0, b"x" * 500)
    publisher(producer, errors.append).publish(reject(frame), frame, Settled())
    producer.sent[0][3].failure(MessageSizeTooLargeError("the topic takes less"))
    producer.sent[1][3].failure(MessageSizeTooLargeError("the topic takes nothing"))
    assert "inspection.rejects" in str(errors[0])


def test_a_producer_that_cannot_send_is_a_lost_broker() -> None:
    errors: list[BrokerLost] = []
    frame = make_frame()
    refusing = publisher(FakeProducer(refuses=KafkaTimeoutError("no")), errors.append)
    refusing.publish(result(frame, False), frame, Settled())
    assert "inspection.results" in str(errors[0])
    with pytest.raises(BrokerLost, match="within 3 s"):
        publisher(FakeProducer()).flush(3)


def test_headers_follow_the_cloudevents_binding() -> None:
    frame = make_frame(line="/plant/line 1", camera="top/1", coil="C1", strip_position_mm=5)
    headers = dict(event_headers(frame, "result"))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"/plant/line%201/top%2F1"
    assert headers["ce_subject"] == b"C1"
    assert headers["ce_strippositionmm"] == b"5"
    assert "traceparent" not in headers
    assert dict(event_headers(frame, "defect"))["ce_id"] == headers["ce_id"] + b"-defect"
