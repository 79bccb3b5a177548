"""Where reading starts, and the fault of kafka-python 3.0.12 that is worked around in
worker/pipeline/consume/start_positions.py.

The test that ends in `_by_itself` fails on the day when the work-around is not needed any more.
"""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError
from kafka.structs import OffsetAndMetadata
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.start_positions import StartPositions
from tests.brokers.clients import poll_until, write
from tests.brokers.handle import BrokerHandle


def commit(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})


def ask_and_not_wait(consumer: KafkaConsumer, partition: TopicPartition) -> None:
    """Until the answer that nobody waited for is there."""
    waiting = consumer._coordinator._offset_fetch_futures
    while not waiting:
        with suppress(KafkaTimeoutError):
            consumer.committed(partition, timeout_ms=0)
    poll_until(lambda: all(future.is_done for future in waiting.values()))  # its network thread needs no poll


def start_positions(consumer: KafkaConsumer, topic: str) -> StartPositions:
    identity = TopicIdentity(consumer, topic, FetchByTopicId(consumer))
    return StartPositions(consumer, OffsetTracker(), Metrics(CollectorRegistry()), identity, "earliest")


@pytest.fixture
def consumer(embedded_broker: BrokerHandle) -> Iterator[KafkaConsumer]:
    """Alone in its group; its topic has eight frames."""
    topic = embedded_broker.new_topic()
    write(embedded_broker, topic, 8)
    with embedded_broker.consumer(topic, group_id=embedded_broker.new_name("group")) as consumer:
        poll_until(lambda: bool(consumer.assignment()), consumer)
        yield consumer


def test_the_client_gives_an_old_answer_by_itself(consumer: KafkaConsumer) -> None:
    (partition,) = consumer.assignment()
    commit(consumer, partition, 1)
    poll_until(lambda: consumer.committed(partition) == 1)
    ask_and_not_wait(consumer, partition)
    commit(consumer, partition, 5)
    assert [consumer.committed(partition) for _ in range(2)] == [1, 5]


def test_reading_starts_at_what_kafka_has_now(consumer: KafkaConsumer) -> None:
    (partition,) = consumer.assignment()
    commit(consumer, partition, 1)
    poll_until(lambda: consumer.committed(partition) == 1)
    ask_and_not_wait(consumer, partition)
    commit(consumer, partition, 5)
    start_positions(consumer, partition.topic).seek_assigned()
    assert consumer.position(partition) == 5


@pytest.mark.parametrize("end", [None, -1, 3])
def test_after_a_truncation_reading_goes_on_where_kafka_says_or_at_the_start(
    consumer: KafkaConsumer, end: int | None
) -> None:
    """-1 or None: the topic was made anew, so Kafka has nothing of that time."""
    (partition,) = consumer.assignment()
    told = {partition: None if end is None else OffsetAndMetadata(end, "", 0)}  # as LogTruncationError has it
    start_positions(consumer, partition.topic).follow_truncation(told)
    assert consumer.position(partition) == (3 if end == 3 else 0)
