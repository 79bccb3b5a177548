"""Differences between the embedded broker and Apache Kafka. A test fails once its difference has been removed.

Guarantees that depend on this behaviour are tested only on Apache Kafka.
"""

import time
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import MessageSizeTooLargeError, ProducerFencedError

from tests.brokers.clients import AWAIT_S_MAX, partitions, poll_until, read, write
from tests.brokers.handle import BrokerHandle


def abort_then_write(broker: BrokerHandle) -> list[Any]:
    """Return the first record that a read_committed consumer gets after an aborted and a committed one."""
    topic = broker.new_topic()
    with broker.producer(transactional_id=broker.new_name("worker")) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(topic, b"aborted").get(AWAIT_S_MAX)
        producer.abort_transaction()
    write(broker, topic, 1)
    return [record.value for record in read(broker, topic, 1, isolation_level="read_committed")]


def commit_as_a_zombie(broker: BrokerHandle) -> None:
    """Commit the transaction of a producer whose transactional id another producer has taken over."""
    topic, worker = broker.new_topic(), broker.new_name("worker")
    with broker.producer(transactional_id=worker) as zombie, broker.producer(transactional_id=worker) as heir:
        zombie.init_transactions()
        zombie.begin_transaction()
        zombie.send(topic, b"from the zombie").get(AWAIT_S_MAX)
        heir.init_transactions()
        zombie.commit_transaction()


def end_after_seven(broker: BrokerHandle) -> int:
    """Return the end offset of a partition with seven records in one batch."""
    topic = broker.new_topic()
    partition = TopicPartition(topic, 0)
    write(broker, topic, 7, linger_ms=1_000)
    with broker.consumer() as consumer:
        end: int = consumer.end_offsets([partition])[partition]
    return end


def join_seconds(broker: BrokerHandle, session_timeout_ms: int) -> float:
    """Return how many seconds the first member of a group waits for its partition."""
    topic = broker.new_topic()
    with broker.consumer(group_id=broker.new_name("group"), session_timeout_ms=session_timeout_ms) as consumer:
        began_s = time.monotonic()
        consumer.subscribe([topic])
        consumer.topics()
        poll_until(lambda: consumer.assignment() == partitions(topic, 1), consumer)
        return time.monotonic() - began_s


def oversize(broker: BrokerHandle) -> None:
    topic = broker.new_topic(max_message_bytes="1000")
    with broker.producer() as producer:
        producer.send(topic, bytes(2_000)).get(AWAIT_S_MAX)


@pytest.mark.kafka
def test_apache_hides_aborted_records(apache_broker: BrokerHandle) -> None:
    assert abort_then_write(apache_broker) == [b"0"]


def test_embedded_shows_aborted_records(embedded_broker: BrokerHandle) -> None:
    assert abort_then_write(embedded_broker)[0] == b"aborted"


@pytest.mark.kafka
def test_apache_fences_a_zombie_that_commits(apache_broker: BrokerHandle) -> None:
    """The embedded broker has no such response, so the client would retry endlessly."""
    with pytest.raises(ProducerFencedError):
        commit_as_a_zombie(apache_broker)


@pytest.mark.kafka
def test_apache_returns_the_end_offset_of_a_partition(apache_broker: BrokerHandle) -> None:
    assert end_after_seven(apache_broker) == 7


def test_embedded_returns_the_offset_of_the_last_batch_as_end_offset(embedded_broker: BrokerHandle) -> None:
    assert end_after_seven(embedded_broker) < 7


@pytest.mark.kafka
def test_apache_rejects_a_record_over_the_topics_limit(apache_broker: BrokerHandle) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        oversize(apache_broker)


def test_embedded_accepts_a_record_over_the_topics_limit(embedded_broker: BrokerHandle) -> None:
    oversize(embedded_broker)


def test_embedded_delays_the_first_join_by_half_the_session_timeout(embedded_broker: BrokerHandle) -> None:
    """A worker with the default of 45 s is therefore ready after 25 s. Apache Kafka is set up here without a delay."""
    assert join_seconds(embedded_broker, session_timeout_ms=8_000) >= 4


@pytest.mark.kafka
def test_apache_lets_the_first_member_join_at_once(apache_broker: BrokerHandle) -> None:
    assert join_seconds(apache_broker, session_timeout_ms=60_000) < 30  # half the session timeout
