"""The sender's ledger, and errors when it is closed."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from tests.brokers.handle import BrokerHandle
from tests.faults.ledger import Ledger
from tests.faults.play import HarnessError
from tests.faults.traffic import PARTITIONS, Sender


def make_sender() -> Sender:
    """Return a sender whose producer has unsent records when it is closed."""

    def close(timeout: float | None) -> None:
        raise KafkaTimeoutError

    producer = SimpleNamespace(close=close, send=lambda *_, **__: SimpleNamespace(add_callback=lambda _: None))
    kafka: Any = SimpleNamespace(handle=SimpleNamespace(producer=lambda **_: producer))
    return Sender(kafka, "frames", "group", [], Ledger())


def test_unsent_records_do_not_hide_an_error() -> None:
    with pytest.raises(HarnessError), make_sender():
        raise HarnessError


def test_unsent_records_are_an_error_if_there_is_no_other() -> None:
    with pytest.raises(KafkaTimeoutError), make_sender():
        pass


@pytest.mark.kafka
def test_after_a_flush_the_ledger_knows_every_frame(apache_broker: BrokerHandle) -> None:
    """Frames that the ledger does not know yet are not waited for."""
    kafka: Any = SimpleNamespace(handle=apache_broker)
    ledger = Ledger()
    with Sender(kafka, apache_broker.new_topic(partitions=PARTITIONS), "group", [], ledger) as sender:
        sender.send_more(8)
        sender.flush()
        assert set(range(8)) <= set(ledger.frames)
