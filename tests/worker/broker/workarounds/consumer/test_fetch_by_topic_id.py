"""A topic that is created again while it is read, on Apache Kafka. The test that ends in `_by_itself` fails when the
workaround can go."""

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from tests.brokers.clients import AWAIT_S_MAX, poll_until, recreate, write
from tests.brokers.handle import BrokerHandle

pytestmark = pytest.mark.kafka
READ, WRITTEN = 5, 9  # of the topic before, and of the one after


@pytest.fixture
def consumer(apache_broker: BrokerHandle) -> Iterator[KafkaConsumer]:
    """At the first record of a topic of five."""
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


def test_a_recreated_topic_is_read_at_the_old_position_by_itself(
    apache_broker: BrokerHandle, consumer: KafkaConsumer
) -> None:
    partition = read_and_recreate(apache_broker, consumer)
    poll_until(lambda: consumer.position(partition) == WRITTEN, consumer)


def test_a_recreated_topic_is_read_when_its_id_is_bound(apache_broker: BrokerHandle, consumer: KafkaConsumer) -> None:
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


def test_what_was_fetched_before_is_dropped(apache_broker: BrokerHandle, consumer: KafkaConsumer) -> None:
    """Its offsets are those of the records in the new topic."""
    (partition,) = consumer.assignment()
    fetches = FetchByTopicId(consumer)
    fetches.bind(partition.topic, consumer._cluster.topic_id(partition.topic))
    fetcher = consumer._fetcher

    def have_come() -> bool:
        fetcher.send_fetches()
        return bool(fetcher._completed_fetches)

    poll_until(have_come)  # the five records are here, and nobody has taken them
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
