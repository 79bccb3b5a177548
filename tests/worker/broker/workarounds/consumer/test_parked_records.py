"""A partition that is paused while another one is read.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import pytest
from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.consumers import open_reader
from tests.brokers.handle import BrokerHandle

LONG, SHORT, POLLED = 40, 5, 10
POLLS = 30  # several times what is needed to read everything


@pytest.fixture
def partitions(embedded_broker: BrokerHandle) -> list[TopicPartition]:
    """Two partitions of one topic, the first one with many records in one batch."""
    topic = embedded_broker.new_topic(partitions=2)
    with embedded_broker.producer(linger_ms=50) as producer:
        for number, records in enumerate((LONG, SHORT)):
            for _ in range(records):
                producer.send(topic, b"x", partition=number)
        producer.flush()
    return [TopicPartition(topic, 0), TopicPartition(topic, 1)]


def read_with_a_pause(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> int:
    """Pause the long partition until the short one is read. Return how many records of the long one were read."""
    long, short = partitions
    consumer.assign([long])
    consumer.seek_to_beginning(long)
    read = 0
    while not read:
        read += len(consumer.poll(timeout_ms=200, max_records=POLLED).get(long, []))
    consumer.assign(partitions)
    consumer.seek_to_beginning(short)
    consumer.pause(long)
    while consumer.position(short) < SHORT:
        consumer.poll(timeout_ms=200, max_records=POLLED)
    consumer.resume(long)
    for _ in range(POLLS):
        read += len(consumer.poll(timeout_ms=50, max_records=POLLED).get(long, []))
        if read == LONG:
            break
    return read


def test_kafka_python_never_reads_a_resumed_partition_again(
    embedded_broker: BrokerHandle, partitions: list[TopicPartition]
) -> None:
    with embedded_broker.consumer() as consumer:
        assert read_with_a_pause(consumer, partitions) == POLLED


def test_reads_a_resumed_partition_to_its_end(embedded_broker: BrokerHandle, partitions: list[TopicPartition]) -> None:
    with open_reader(ClientConfig(embedded_broker.bootstrap_servers)) as consumer:
        assert read_with_a_pause(consumer, partitions) == LONG
