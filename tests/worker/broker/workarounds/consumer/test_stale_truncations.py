"""A truncation that was found at a position which was left since. The test that ends in `_by_itself` fails when the
workaround can go."""

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
    """Of two partitions; the first has records, and is read to its end."""
    topic = embedded_broker.new_topic(partitions=2)
    write(embedded_broker, topic, WRITTEN)
    with embedded_broker.consumer() as consumer:
        consumer.assign([TopicPartition(topic, 0), TopicPartition(topic, 1)])
        for partition in consumer.assignment():
            consumer.seek(partition, 0)
        poll_until(lambda: consumer.position(TopicPartition(topic, 0)) == WRITTEN, consumer)
        yield consumer


def find_truncation(consumer: KafkaConsumer, *numbers: int) -> list[TopicPartition]:
    """As the answer of a broker leaves it until the next poll."""
    partitions = [partition for partition in sorted(consumer.assignment()) if partition.partition in numbers]
    ends = {partition: OffsetAndMetadata(DIVERGED, "", 0) for partition in partitions}
    consumer._fetcher._cached_log_truncation = LogTruncationError(ends)
    return partitions


def test_the_client_raises_it_after_a_seek_by_itself(consumer: KafkaConsumer) -> None:
    (partition,) = find_truncation(consumer, 0)
    consumer.seek(partition, 0)
    with pytest.raises(LogTruncationError):
        consumer.poll(timeout_ms=0)


def test_after_our_seek_it_is_forgotten_and_everything_is_read(consumer: KafkaConsumer) -> None:
    (partition,) = find_truncation(consumer, 0)
    seek(consumer, partition, 0)
    found: list[object] = []
    poll_until(lambda: len(found) == WRITTEN, consumer, into=found)


def test_what_was_found_of_another_partition_is_still_raised(consumer: KafkaConsumer) -> None:
    left, kept = find_truncation(consumer, 0, 1)
    seek(consumer, left, 0)
    with pytest.raises(LogTruncationError) as raised:
        consumer.poll(timeout_ms=0)
    assert set(raised.value.divergent_offsets) == {kept}


def test_without_a_truncation_it_is_a_plain_seek(consumer: KafkaConsumer) -> None:
    partition = min(consumer.assignment())
    seek(consumer, partition, 3)
    assert consumer.position(partition) == 3
