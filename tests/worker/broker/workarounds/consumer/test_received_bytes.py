"""The sum of incoming bytes. The test that ends in `_by_itself` fails when the workaround can go."""

from stripwatch.worker.broker.workarounds.consumer.received_bytes import count_received
from tests.brokers.handle import BrokerHandle


def test_incoming_bytes_are_not_summed_by_itself(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.consumer() as consumer:
        names = set(consumer.metrics()["consumer-metrics"])
    assert "incoming-byte-rate" in names
    assert "incoming-byte-total" not in names


def test_each_answer_raises_the_sum(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.consumer() as consumer:
        received = count_received(consumer)
        before = received()
        consumer.topics()
        assert received() > before
