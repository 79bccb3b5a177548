"""Total of incoming bytes.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from stripwatch.worker.broker.workarounds.consumer.received_bytes import count_received
from tests.brokers.handle import BrokerHandle


def test_kafka_python_has_no_total_of_incoming_bytes(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.consumer() as consumer:
        names = set(consumer.metrics()["consumer-metrics"])
    assert "incoming-byte-rate" in names
    assert "incoming-byte-total" not in names


def test_each_answer_increases_the_total(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.consumer() as consumer:
        received = count_received(consumer)
        before = received()
        consumer.topics()
        assert received() > before
