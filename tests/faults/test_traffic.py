"""What the sender has sent is known, and how it ends."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from tests.brokers.handle import BrokerHandle
from tests.faults.ledger import Ledger
from tests.faults.play import HarnessError
from tests.faults.traffic import PARTITIONS, Sender


def make_sender() -> Sender:
    """Whose producer has records left over when it is closed."""

    def close(timeout: float | None) -> None:
        raise KafkaTimeoutError

    producer = SimpleNamespace(close=close, send=lambda *_, **__: SimpleNamespace(add_callback=lambda _: None))
    kafka: Any = SimpleNamespace(handle=SimpleNamespace(producer=lambda **_: producer))
    return Sender(kafka, "frames", "group", [], Ledger())


def test_an_error_is_not_hidden_by_records_that_are_left_over() -> None:
    with pytest.raises(HarnessError), make_sender():
        raise HarnessError


def test_records_that_are_left_over_are_an_error_where_there_is_no_other() -> None:
    with pytest.raises(KafkaTimeoutError), make_sender():
        pass


@pytest.mark.kafka
def test_after_a_flush_the_ledger_knows_every_frame(apache_broker: BrokerHandle) -> None:
    """What it does not know yet is not waited for."""
    kafka: Any = SimpleNamespace(handle=apache_broker)
    ledger = Ledger()
    with Sender(kafka, apache_broker.new_topic(partitions=PARTITIONS), "group", [], ledger) as sender:
        sender.send_more(8)
        sender.flush()
        assert set(range(8)) <= set(ledger.frames)
