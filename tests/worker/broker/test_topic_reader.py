"""Detection of the end of topics, and topics that change while they are read: added partitions, recreated topics."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import TopicPartition

from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.consumers import open_reader
from stripwatch.worker.broker.topic_reader import TopicReader, from_beginning
from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.clients import recreate, write
from tests.brokers.handle import BrokerHandle
from tests.waiting import AWAIT_S_MAX, wait_until


@contextmanager
def open_topics(broker: BrokerHandle, *topics: str) -> Iterator[TopicReader]:
    with open_reader(ClientConfig(broker.bootstrap_servers)) as consumer:
        yield TopicReader(consumer, topics, from_beginning)


def await_records(reader: TopicReader, count: int) -> list[tuple[str, int, int]]:
    found: list[tuple[str, int, int]] = []

    def has_all() -> bool:
        found.extend((record.topic, record.partition, record.offset) for record in reader.poll())
        return len(found) >= count

    wait_until(has_all)
    return sorted(found)


@pytest.mark.kafka  # the embedded broker does not support topic ids
def test_reads_a_recreated_topic_from_its_beginning_and_continues_the_other(apache_broker: BrokerHandle) -> None:
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


@pytest.mark.kafka
def test_raises_if_a_topic_is_deleted_before_it_was_read(apache_broker: BrokerHandle) -> None:
    topic = apache_broker.new_topic()
    write(apache_broker, topic, 3)
    with open_topics(apache_broker, topic) as reader:
        reader.pause_only({TopicPartition(topic, 0)})
        reader.poll()
        with apache_broker.admin() as admin:
            admin.delete_topics([topic])
        with pytest.raises(BrokerUnavailableError, match=f"topic '{topic}' was deleted while it was being read"):
            wait_until(lambda: bool(reader.poll()) or reader.caught_up_at_s is not None)


@pytest.mark.kafka
def test_a_topic_that_is_deleted_after_it_was_read_does_not_block_the_others(apache_broker: BrokerHandle) -> None:
    one, other = apache_broker.new_topic(), apache_broker.new_topic()
    write(apache_broker, one, 3)
    with open_topics(apache_broker, one, other) as reader:
        await_records(reader, 3)
        with apache_broker.admin() as admin:
            admin.delete_topics([one])
        write(apache_broker, other, 1)
        assert await_records(reader, 1) == [(other, 0, 0)]


@pytest.mark.kafka  # the embedded broker cannot add partitions
def test_reads_an_added_partition_from_its_beginning(apache_broker: BrokerHandle) -> None:
    topic = apache_broker.new_topic()
    write(apache_broker, topic, 2)
    with open_topics(apache_broker, topic) as reader:
        await_records(reader, 2)
        with apache_broker.admin() as admin:
            admin.create_partitions({topic: 2})
        write(apache_broker, topic, 3, partition=1)
        assert await_records(reader, 3) == [(topic, 1, offset) for offset in range(3)]


def test_does_not_mistake_a_silent_broker_for_the_end(embedded_broker: BrokerHandle) -> None:
    """Otherwise a report would lack coils without an error."""
    topic, now_s = embedded_broker.new_topic(), 0.0
    write(embedded_broker, topic, 8)
    with open_reader(ClientConfig(embedded_broker.bootstrap_servers)) as consumer:
        reader = TopicReader(consumer, [topic], from_beginning, lambda: now_s)
        poll, consumer.poll = consumer.poll, lambda timeout_ms: {}
        for _ in range(5):
            now_s += 2
            assert reader.poll() == []
        assert reader.caught_up_at_s is None
        consumer.poll = poll
        await_records(reader, 8)
        assert reader.caught_up_at_s == now_s


def test_counts_markers_and_aborted_records_at_the_end_as_read(broker: BrokerHandle) -> None:
    topic = broker.new_topic()
    with broker.producer(transactional_id=broker.new_name("id")) as producer:
        producer.init_transactions()
        for end in (producer.commit_transaction, producer.abort_transaction):
            producer.begin_transaction()
            producer.send(topic, b"x").get(AWAIT_S_MAX)
            end()
    with open_reader(ClientConfig(broker.bootstrap_servers)) as consumer:
        reader = TopicReader(consumer, [topic], from_beginning, lambda: 0.0)
        while reader.caught_up_at_s is None:
            reader.poll()
        assert reader.next_offsets() == consumer.end_offsets([TopicPartition(topic, 0)])
