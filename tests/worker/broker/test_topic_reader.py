"""Topics that change while they are read: partitions are added, or the topic is deleted and created again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import TopicPartition

from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.consumers import open_reader
from stripwatch.worker.broker.topic_reader import TopicReader, from_beginning
from tests.brokers.clients import recreate, write
from tests.brokers.handle import BrokerHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka  # the embedded broker fetches by name alone, and takes no further partitions


@contextmanager
def open_topics(broker: BrokerHandle, *topics: str) -> Iterator[TopicReader]:
    with open_reader(ClientConfig(broker.bootstrap_servers)) as consumer:
        yield TopicReader(consumer, topics, from_beginning)


def await_records(reader: TopicReader, count: int) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []

    def is_there() -> bool:
        found.extend((record.topic, record.partition, record.offset) for record in reader.poll())
        return len(found) >= count

    wait_until(is_there)
    return sorted(found)


def test_a_recreated_topic_is_read_from_its_beginning_and_the_other_continues(apache_broker: BrokerHandle) -> None:
    one, other = apache_broker.new_topic(2), apache_broker.new_topic()
    write(apache_broker, one, 4)
    write(apache_broker, other, 2)
    with open_topics(apache_broker, one, other) as reader:
        await_records(reader, 6)
        recreate(apache_broker, one)
        write(apache_broker, one, 6)
        write(apache_broker, other, 1)
        expected = sorted([(one, 0, offset) for offset in range(6)] + [(other, 0, 2)])
        assert await_records(reader, 7) == expected
        assert reader.next_offsets() == {TopicPartition(one, 0): 6, TopicPartition(other, 0): 3}


def test_an_added_partition_is_read_from_its_beginning(apache_broker: BrokerHandle) -> None:
    topic = apache_broker.new_topic()
    write(apache_broker, topic, 2)
    with open_topics(apache_broker, topic) as reader:
        await_records(reader, 2)
        with apache_broker.admin() as admin:
            admin.create_partitions({topic: 2})
        write(apache_broker, topic, 3, partition=1)
        assert await_records(reader, 3) == [(topic, 1, offset) for offset in range(3)]
