"""Records that fail because of another record, on Apache Kafka.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Iterator

import pytest
from kafka import KafkaProducer
from kafka.errors import InvalidTimestampError, KafkaError, MessageSizeTooLargeError
from kafka.future import Future

from stripwatch.worker.broker.workarounds.producer.bystanders import BystanderError, mark_bystanders
from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from tests.brokers.handle import BrokerHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka
LONG_AGO_MS = 1_000


@pytest.fixture
def producer(apache_broker: BrokerHandle) -> Iterator[KafkaProducer]:
    producer = apache_broker.producer(enable_idempotence=True, linger_ms=50, max_request_size=2_000_000)
    yield producer
    force_close(producer)


def errors(*futures: Future) -> list[type]:
    wait_until(lambda: all(future.is_done for future in futures))
    return [type(future.exception) for future in futures]


def send_with_a_large_one(broker: BrokerHandle, producer: KafkaProducer) -> list[type]:
    """Return the errors of a record that is too large and of a small record for another topic."""
    large, small = broker.new_topic(max_message_bytes="1000"), broker.new_topic()
    for topic in (large, small):
        producer.partitions_for(topic)
    refused = producer.send(large, bytes(2000))
    wait_until(lambda: producer._transaction_manager.has_fatal_error())
    return errors(refused, producer.send(small, b"small"))


def test_kafka_python_gives_one_error_to_all_records(apache_broker: BrokerHandle, producer: KafkaProducer) -> None:
    assert send_with_a_large_one(apache_broker, producer) == [MessageSizeTooLargeError] * 2


def test_only_the_refused_record_has_the_error(apache_broker: BrokerHandle, producer: KafkaProducer) -> None:
    mark_bystanders(producer)
    assert send_with_a_large_one(apache_broker, producer) == [MessageSizeTooLargeError, BystanderError]


@pytest.mark.parametrize("refused", [1, 2])
def test_distinguishes_the_invalid_records_of_a_batch(
    apache_broker: BrokerHandle, producer: KafkaProducer, refused: int
) -> None:
    mark_bystanders(producer)
    topic = apache_broker.new_topic(message_timestamp_before_max_ms="60000")
    producer.partitions_for(topic)
    futures = [
        producer.send(topic, b"good"),
        *(producer.send(topic, b"", timestamp_ms=LONG_AGO_MS) for _ in range(refused)),
    ]
    assert errors(*futures) == [BystanderError, *[InvalidTimestampError] * refused]


def test_a_bystander_error_names_the_error_of_the_producer() -> None:
    error = BystanderError(KafkaError("gone"))
    assert "KafkaError: gone" in str(error)
    assert isinstance(error, KafkaError)
