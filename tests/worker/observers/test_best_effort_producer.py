"""The best-effort producer with an unavailable broker, a broker that refuses, and a record that is too large."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import (
    InvalidTimestampError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    SaslAuthenticationFailedError,
)
from kafka.future import Future
from structlog.testing import capture_logs

from stripwatch.worker.broker.producers import ProducerConfig
from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.observers import best_effort_producer
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer, open_best_effort_producer
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord
from tests.fake_producer import FakeProducer

BODY_BYTES = 10
RECORD = OutgoingRecord("inspection.evidence", b"id", b"jpeg", [("ce_id", b"1")])


class Producer(FakeProducer):
    """A producer that responds to each record as configured."""

    def __init__(self, answer: Callable[[], Future]) -> None:
        super().__init__()
        self._answer = answer

    def send(self, topic: str, value: bytes, key: bytes, headers: list[tuple[str, bytes]], timestamp_ms: int) -> Future:
        assert (topic, key, headers) == (RECORD.topic, RECORD.key, RECORD.headers)
        assert len(value) <= BODY_BYTES
        self.times_ms.append(timestamp_ms)
        return self._answer()


def sent(
    open_producer: Callable[[], Any], records: int = 5, limits: TopicLimits | None = None
) -> tuple[dict[str, int], list[float]]:
    """Send this many records, each a byte smaller than the last; return their outcomes and the logged pauses."""
    counts: Counter[str] = Counter()
    failed, done = (lambda: counts.update(["failed"])), (lambda: counts.update(["sent"]))
    topic = BestEffortProducer(open_producer, failed, done, limits)
    with capture_logs() as logs:
        for number in range(records):
            topic.send(RECORD._replace(body=bytes(BODY_BYTES - number)))
    pauses = [log["pause_s"] for log in logs if "pause_s" in log]
    assert topic.circuit_open == (max(pauses, default=0) > 0)
    return dict(counts), pauses


def test_counts_an_acknowledged_record() -> None:
    assert sent(lambda: Producer(lambda: Future().success(None))) == ({"sent": 5}, [])


def test_an_unavailable_broker_is_tried_once_and_logged_once() -> None:
    asked = []

    def away() -> None:
        asked.append(1)
        raise BrokerUnavailableError("no broker answers")

    assert sent(away) == ({"failed": 5}, [30.0])
    assert len(asked) == 1


def test_pauses_after_a_topic_refused_a_record() -> None:
    def blocks() -> Future:
        raise KafkaTimeoutError("no such topic")

    assert sent(lambda: Producer(lambda: Future().failure(KafkaTimeoutError("too late")))) == ({"failed": 5}, [30.0])
    assert sent(lambda: Producer(blocks)) == ({"failed": 5}, [30.0])


def test_replaces_a_producer_that_failed_as_a_whole() -> None:
    """Every record is then a bystander, and none gives the reason."""
    failure = BystanderError(SaslAuthenticationFailedError("the password has changed"))
    assert sent(lambda: Producer(lambda: Future().failure(failure))) == ({"failed": 5}, [30.0])


def test_a_bystander_of_a_refused_record_is_not_blamed() -> None:
    failure = BystanderError(MessageSizeTooLargeError("16 MB"))
    assert sent(lambda: Producer(lambda: Future().failure(failure))) == ({"failed": 5}, [])


def test_tries_the_next_record_after_one_that_is_too_large() -> None:
    """The next record needs another producer, because kafka-python's sends nothing more."""
    old = Producer(lambda: Future().failure(MessageSizeTooLargeError("16 MB")))
    producers = iter([old, Producer(lambda: Future().success(None))])
    limits = TopicLimits(lambda: {RECORD.topic: 1_000_000})
    assert sent(lambda: next(producers), 7, limits) == ({"failed": 5, "sent": 2}, [0.0] * 5)
    assert old.closed


def test_does_not_send_a_record_above_the_topic_limit() -> None:
    limits = TopicLimits(lambda: {RECORD.topic: 80})
    limits.refresh()
    assert sent(lambda: Producer(lambda: Future().success(None)), 2, limits) == ({"failed": 2}, [0.0, 0.0])


def test_a_refused_timestamp_is_replaced_by_that_of_the_frame() -> None:
    old, new = Producer(lambda: Future().failure(InvalidTimestampError())), Producer(lambda: Future().success(None))
    producers = iter([old, new])
    counts: Counter[str] = Counter()
    topic = BestEffortProducer(lambda: next(producers), lambda: counts.update(["failed"]))
    for _ in range(2):
        topic.send(RECORD._replace(frame_ms=7))
    assert (counts["failed"], new.times_ms) == (1, [7])
    assert old.times_ms[0] > 7


def test_its_producer_is_outside_transactions_and_accepts_a_whole_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[ProducerConfig] = []
    monkeypatch.setattr(best_effort_producer, "open_producer", asked.append)
    given = {"delivery": "exactly-once", "rejects": {"bytes_max": 10}, "frames": {"bytes_max": 5_000_000}}
    open_best_effort_producer(load_settings(None, given))
    assert (asked[0].transactional_id, asked[0].send_s_max) == (None, 5.0)
    assert asked[0].request_bytes_max > 5_000_000
