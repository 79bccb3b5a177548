"""A best-effort topic: a broker that is away, one that refuses, and one record that is too large."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.observers import best_effort_producer
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer, open_best_effort_producer
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord

RECORD = OutgoingRecord("inspection.evidence", b"id", b"jpeg", [("ce_id", b"1")])


class Producer:
    """Answers each record as it is told."""

    def __init__(self, answer: Callable[[], Future]) -> None:
        self._answer = answer

    def send(self, topic: str, body: bytes, key: bytes, headers: list[tuple[str, bytes]]) -> Future:
        assert (topic, key, body, headers) == RECORD[:4]
        return self._answer()


def sent(open_producer: Callable[[], Any], records: int = 5) -> tuple[dict[str, int], list[float]]:
    """What became of so many records, and the pauses that were logged."""
    counts: Counter[str] = Counter()
    topic = BestEffortProducer(open_producer, lambda: counts.update(["failed"]), lambda: counts.update(["sent"]))
    with capture_logs() as logs:
        for _ in range(records):
            topic.send(RECORD)
    pauses = [log["pause_s"] for log in logs]
    assert topic.circuit_open == (max(pauses, default=0) > 0)
    return dict(counts), pauses


def test_an_acknowledged_record_is_counted() -> None:
    assert sent(lambda: Producer(lambda: Future().success(None))) == ({"sent": 5}, [])


def test_a_broker_that_is_away_is_asked_once_and_logged_once() -> None:
    asked = []

    def away() -> None:
        asked.append(1)
        raise BrokerUnavailableError("no broker answers")

    assert sent(away) == ({"failed": 5}, [float("inf")])
    assert len(asked) == 1


def test_a_topic_that_takes_nothing_is_left_alone_for_a_while() -> None:
    def blocks() -> Future:
        raise KafkaTimeoutError("no such topic")

    assert sent(lambda: Producer(lambda: Future().failure(KafkaTimeoutError("too late")))) == ({"failed": 5}, [30.0])
    assert sent(lambda: Producer(blocks)) == ({"failed": 5}, [30.0])


def test_after_a_record_that_is_too_large_the_next_is_tried() -> None:
    answers = iter([Future().failure(MessageSizeTooLargeError("16 MB")), Future().success(None)])
    assert sent(lambda: Producer(lambda: next(answers)), 2) == ({"failed": 1, "sent": 1}, [0.0])


def test_its_producer_has_no_part_in_a_transaction_and_takes_a_whole_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Settings] = []
    monkeypatch.setattr(best_effort_producer, "open_producer", asked.append)
    given = {"delivery": "exactly-once", "reject_bytes_max": 10, "frame_bytes_max": 5_000_000}
    open_best_effort_producer(load_settings(None, given))
    assert (asked[0].delivery, asked[0].reject_bytes_max, asked[0].send_s_max) == ("at-least-once", 5_000_000, 5.0)
