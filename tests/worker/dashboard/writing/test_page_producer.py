"""What a page server writes is read by others, on the embedded broker."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.dashboard.reading.topic_follower import TopicFollower
from stripwatch.worker.dashboard.state.alarm_board import AlarmBoard
from stripwatch.worker.dashboard.web.server import follow_acknowledgements
from stripwatch.worker.dashboard.writing.page_producer import PageProducer
from tests.brokers.handle import BrokerHandle
from tests.contract.made import made_events

WAIT_S_MAX = 60
HEADERS = [("ce_id", b"a-1")]


@pytest.fixture
def settings(embedded_broker: BrokerHandle) -> Settings:
    topics = {"acknowledgements": embedded_broker.new_topic(1)}
    return load_settings(None, {"bootstrap_servers": embedded_broker.bootstrap_servers, "topics": topics})


class Records:
    """The records that a follower has read, in their order."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self._changed = threading.Condition()

    def add(self, record: Any) -> None:
        with self._changed:
            self.values.append(record.value)
            self._changed.notify_all()

    def wait_for(self, count: int) -> list[bytes]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.values) >= count, WAIT_S_MAX)
            return list(self.values)


@contextmanager
def followed(settings: Settings) -> Iterator[Records]:
    records = Records()
    follower = TopicFollower(settings, settings.topics.acknowledgements, records.add, "test")
    follower.start()
    try:
        assert follower.has_read.wait(WAIT_S_MAX)
        yield records
    finally:
        follower.stop()


def test_servers_read_what_was_written_before_and_after_their_start(settings: Settings) -> None:
    producer = PageProducer(settings)
    try:
        with followed(settings) as first:
            producer.send(settings.topics.acknowledgements, b"a", b"1", HEADERS)
            assert first.wait_for(1) == [b"1"]
            with followed(settings) as second:
                assert second.values == [b"1"]
                producer.send(settings.topics.acknowledgements, b"b", b"2", HEADERS)
                assert first.wait_for(2) == second.wait_for(2) == [b"1", b"2"]
    finally:
        producer.close()


def test_a_missing_topic_does_not_hold_up_the_page(settings: Settings) -> None:
    topics = settings.topics.model_copy(update={"acknowledgements": "no-such-topic"})
    with followed(settings.model_copy(update={"topics": topics})) as records:
        assert records.values == []


def test_an_unreachable_broker_is_an_error_for_the_person_who_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripwatch.worker.dashboard.writing.page_producer._SEND_S_MAX", 1.0)
    producer = PageProducer(load_settings(None, {"bootstrap_servers": "127.0.0.1:1"}))
    outcomes: list[bool] = []
    producer.on_outcome = outcomes.append
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1"):
        producer.send("inspection.acknowledgements", b"a", b"1", HEADERS)
    assert outcomes == [False]
    producer.close()


def test_a_record_that_is_no_acknowledgement_does_not_stop_the_reader(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    added: list[Any] = []
    board = AlarmBoard()
    monkeypatch.setattr(board, "add", added.append)
    said = made_events()["acknowledgement-1-alarm"]
    producer = PageProducer(settings)
    for value in (b"", b"{}", msgspec.json.encode(said)):
        producer.send(settings.topics.acknowledgements, b"a", value, HEADERS)
    producer.close()
    follower = follow_acknowledgements(settings, board)
    follower.start()
    assert follower.has_read.wait(WAIT_S_MAX)
    follower.stop()
    assert added == [said]
