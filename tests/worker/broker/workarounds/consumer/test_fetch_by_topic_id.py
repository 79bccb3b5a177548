"""Topics that are created again while they are read, on Apache Kafka.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from tests.brokers.clients import AWAIT_S_MAX, poll_until, recreate, write
from tests.brokers.handle import BrokerHandle

pytestmark = pytest.mark.kafka
READ, WRITTEN = 5, 9  # number of records in the old and in the new topic


@pytest.fixture
def consumer(apache_broker: BrokerHandle) -> Iterator[KafkaConsumer]:
    """Return a consumer at the first record of a topic with READ records."""
    partition = TopicPartition(apache_broker.new_topic(), 0)
    write(apache_broker, partition.topic, READ)
    with apache_broker.consumer(metadata_max_age_ms=200) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        poll_until(lambda: consumer._cluster.topic_id(partition.topic) is not None, consumer)
        consumer.seek(partition, 0)
        yield consumer


def read_and_recreate(broker: BrokerHandle, consumer: KafkaConsumer) -> TopicPartition:
    (partition,) = consumer.assignment()
    poll_until(lambda: consumer.position(partition) == READ, consumer)
    old = consumer._cluster.topic_id(partition.topic)
    recreate(broker, partition.topic)
    write(broker, partition.topic, WRITTEN)
    poll_until(lambda: consumer._cluster.topic_id(partition.topic) not in (None, old), consumer)
    return partition


def test_kafka_python_reads_a_recreated_topic_at_the_old_position(
    apache_broker: BrokerHandle, consumer: KafkaConsumer
) -> None:
    partition = read_and_recreate(apache_broker, consumer)
    poll_until(lambda: consumer.position(partition) == WRITTEN, consumer)


def test_reads_a_recreated_topic_once_its_id_is_bound(apache_broker: BrokerHandle, consumer: KafkaConsumer) -> None:
    (partition,) = consumer.assignment()
    fetches = FetchByTopicId(consumer)
    fetches.bind(partition.topic, consumer._cluster.topic_id(partition.topic))
    read_and_recreate(apache_broker, consumer)
    for _ in range(10):
        assert consumer.poll(timeout_ms=50) == {}
    fetches.bind(partition.topic, consumer._cluster.topic_id(partition.topic))
    consumer.seek(partition, 0)
    found: list[object] = []
    poll_until(lambda: len(found) == WRITTEN, consumer, into=found)


def test_drops_records_that_were_fetched_from_the_old_topic(
    apache_broker: BrokerHandle, consumer: KafkaConsumer
) -> None:
    """Their offsets also exist in the new topic."""
    (partition,) = consumer.assignment()
    fetches = FetchByTopicId(consumer)
    fetches.bind(partition.topic, consumer._cluster.topic_id(partition.topic))
    fetcher = consumer._fetcher

    def has_fetched() -> bool:
        fetcher.send_fetches()
        return bool(fetcher._completed_fetches)

    poll_until(has_fetched)  # the records are fetched but not yet polled
    recreate(apache_broker, partition.topic)
    with apache_broker.producer() as producer:
        producer.send(partition.topic, b"new").get(AWAIT_S_MAX)
    old = fetches._ids[partition.topic]
    consumer._cluster.request_update()
    poll_until(lambda: consumer._cluster.topic_id(partition.topic) not in (None, old))
    fetches.bind(partition.topic, consumer._cluster.topic_id(partition.topic))
    found: list[object] = []
    poll_until(lambda: bool(found), consumer, into=found)
    assert [record.value for record in found] == [b"new"]  # type: ignore[attr-defined]
