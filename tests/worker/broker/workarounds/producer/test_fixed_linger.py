"""Linger of a running producer. `tests/brokers/test_behaviour.py` tests that a record is sent sooner.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from stripwatch.worker.broker.workarounds.producer.fixed_linger import set_linger
from tests.brokers.handle import BrokerHandle


def test_kafka_python_copies_the_linger_at_creation(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.producer(linger_ms=500) as producer:
        producer.config["linger_ms"] = 1
        assert producer._accumulator.config["linger_ms"] == 500


def test_changes_the_linger(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.producer(linger_ms=500) as producer:
        set_linger(producer, 1)
        assert producer._accumulator.config["linger_ms"] == 1
