"""Truncation errors about a position that the consumer has left.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import LogTruncationError
from kafka.structs import OffsetAndMetadata

from stripwatch.worker.broker.workarounds.consumer.stale_truncations import seek
from tests.brokers.clients import poll_until, write
from tests.brokers.handle import BrokerHandle

WRITTEN, DIVERGED = 8, 5


@pytest.fixture
def consumer(embedded_broker: BrokerHandle) -> Iterator[KafkaConsumer]:
    """Return a consumer of two partitions. The first one has records and is read to its end."""
    topic = embedded_broker.new_topic(partitions=2)
    write(embedded_broker, topic, WRITTEN)
    with embedded_broker.consumer() as consumer:
        consumer.assign([TopicPartition(topic, 0), TopicPartition(topic, 1)])
        for partition in consumer.assignment():
            consumer.seek(partition, 0)
        poll_until(lambda: consumer.position(TopicPartition(topic, 0)) == WRITTEN, consumer)
        yield consumer


def find_truncation(consumer: KafkaConsumer, *numbers: int) -> list[TopicPartition]:
    """Store a truncation error as the answer of a broker does, to be raised by the next poll."""
    partitions = [partition for partition in sorted(consumer.assignment()) if partition.partition in numbers]
    ends = {partition: OffsetAndMetadata(DIVERGED, "", 0) for partition in partitions}
    consumer._fetcher._cached_log_truncation = LogTruncationError(ends)
    return partitions


def test_kafka_python_raises_a_truncation_after_a_seek(consumer: KafkaConsumer) -> None:
    (partition,) = find_truncation(consumer, 0)
    consumer.seek(partition, 0)
    with pytest.raises(LogTruncationError):
        consumer.poll(timeout_ms=0)


def test_seek_discards_a_truncation_and_reads_all_records(consumer: KafkaConsumer) -> None:
    (partition,) = find_truncation(consumer, 0)
    seek(consumer, partition, 0)
    found: list[object] = []
    poll_until(lambda: len(found) == WRITTEN, consumer, into=found)


def test_still_raises_a_truncation_of_another_partition(consumer: KafkaConsumer) -> None:
    left, kept = find_truncation(consumer, 0, 1)
    seek(consumer, left, 0)
    with pytest.raises(LogTruncationError) as raised:
        consumer.poll(timeout_ms=0)
    assert set(raised.value.divergent_offsets) == {kept}


def test_seeks_without_a_truncation(consumer: KafkaConsumer) -> None:
    partition = min(consumer.assignment())
    seek(consumer, partition, 3)
    assert consumer.position(partition) == 3
