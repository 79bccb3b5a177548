"""Batches over the size limit of their topic, on Apache Kafka.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Iterator

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, UnknownError
from kafka.future import Future

from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from stripwatch.worker.broker.workarounds.producer.split_batches import await_acknowledgements
from tests.brokers.handle import BrokerHandle
from tests.waiting import AWAIT_S_MAX

pytestmark = pytest.mark.kafka
RECORDS = 10


@pytest.fixture
def producer(apache_broker: BrokerHandle) -> Iterator[KafkaProducer]:
    producer = apache_broker.producer(linger_ms=2_000, batch_size=20_000)
    yield producer
    force_close(producer)


def send_one_batch(broker: BrokerHandle, producer: KafkaProducer) -> list[Future]:
    """Send ten records that each fit in the topic, but not in one batch."""
    topic = broker.new_topic(max_message_bytes="1000")
    producer.partitions_for(topic)
    return [producer.send(topic, bytes(500)) for _ in range(RECORDS)]


def test_kafka_python_fails_to_flush_after_a_split(apache_broker: BrokerHandle, producer: KafkaProducer) -> None:
    send_one_batch(apache_broker, producer)
    with pytest.raises(UnknownError):
        producer.flush(AWAIT_S_MAX)


def test_waits_for_the_records_of_a_split_batch(apache_broker: BrokerHandle, producer: KafkaProducer) -> None:
    sent = send_one_batch(apache_broker, producer)
    await_acknowledgements(producer, sent, AWAIT_S_MAX)
    assert sorted(future.value.offset for future in sent) == list(range(RECORDS))


def test_the_wait_times_out(producer: KafkaProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    def flush(timeout: float) -> None:
        raise UnknownError

    monkeypatch.setattr(producer, "flush", flush)
    with pytest.raises(KafkaTimeoutError):
        await_acknowledgements(producer, [Future()], 0.0)
