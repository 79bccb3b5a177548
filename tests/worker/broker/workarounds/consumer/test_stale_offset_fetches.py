"""Committed offsets after a request that timed out.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka.structs import OffsetAndMetadata

from stripwatch.worker.broker.workarounds.consumer.stale_offset_fetches import fetch_committed
from tests.brokers.clients import poll_until
from tests.brokers.handle import BrokerHandle


@pytest.fixture
def consumer(embedded_broker: BrokerHandle) -> Iterator[KafkaConsumer]:
    """Return a consumer that has committed 5, and that did not wait for an earlier answer, which is 1."""
    partition = TopicPartition(embedded_broker.new_topic(), 0)
    with embedded_broker.consumer(group_id=embedded_broker.new_name("group")) as consumer:
        consumer.assign([partition])
        commit(consumer, partition, 1)
        poll_until(lambda: consumer.committed(partition) == 1)
        waiting = consumer._coordinator._offset_fetch_futures
        while not waiting:
            with suppress(KafkaTimeoutError):
                consumer.committed(partition, timeout_ms=0)
        poll_until(lambda: all(future.is_done for future in waiting.values()))  # the network thread runs without polls
        commit(consumer, partition, 5)
        yield consumer


def commit(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})


def test_kafka_python_returns_a_stale_offset(consumer: KafkaConsumer) -> None:
    (partition,) = consumer.assignment()
    assert [consumer.committed(partition) for _ in range(2)] == [1, 5]


def test_returns_the_current_offset(consumer: KafkaConsumer) -> None:
    (partition,) = consumer.assignment()
    assert fetch_committed(consumer, [partition], 30_000)[partition].offset == 5
