"""Causes of the timeout of a record, on Apache Kafka.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from stripwatch.worker.broker.workarounds.producer.forgotten_causes import keep_causes
from tests.brokers.handle import BrokerHandle

pytestmark = pytest.mark.kafka


def timeout_of(broker: BrokerHandle, producer: KafkaProducer) -> str:
    """Return the error message of a record whose topic was just deleted."""
    topic = broker.new_topic()
    producer.partitions_for(topic)
    with broker.admin() as admin:
        admin.delete_topics([topic])
    try:
        with pytest.raises(KafkaTimeoutError) as raised:
            producer.send(topic, b"").get(30)
    finally:
        force_close(producer)
    return str(raised.value)


def impatient_producer(broker: BrokerHandle) -> KafkaProducer:
    return broker.producer(allow_auto_create_topics=False, delivery_timeout_ms=2000, request_timeout_ms=1000)


def test_kafka_python_does_not_state_the_cause_of_a_timeout(apache_broker: BrokerHandle) -> None:
    assert "UnknownTopicOrPartition" not in timeout_of(apache_broker, impatient_producer(apache_broker))


def test_a_timeout_names_the_last_error(apache_broker: BrokerHandle) -> None:
    producer = impatient_producer(apache_broker)
    keep_causes(producer)
    assert "Expiring 1 record" in (message := timeout_of(apache_broker, producer))
    assert "the last error was UnknownTopicOrPartitionError" in message
