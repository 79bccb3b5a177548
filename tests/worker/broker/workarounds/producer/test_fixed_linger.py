"""Linger of a producer that runs. The test that ends in `_by_itself` fails when the workaround can go.

`tests/brokers/test_behaviour.py` has a record that goes out sooner.
"""

from stripwatch.worker.broker.workarounds.producer.fixed_linger import set_linger
from tests.brokers.handle import BrokerHandle


def test_linger_is_copied_at_the_start_by_itself(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.producer(linger_ms=500) as producer:
        producer.config["linger_ms"] = 1
        assert producer._accumulator.config["linger_ms"] == 500


def test_linger_is_set(embedded_broker: BrokerHandle) -> None:
    with embedded_broker.producer(linger_ms=500) as producer:
        set_linger(producer, 1)
        assert producer._accumulator.config["linger_ms"] == 1
