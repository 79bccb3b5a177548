"""Helpers of broker tests: write records, read them, and poll until a condition is true."""

import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import TopicAlreadyExistsError

from tests.brokers.handle import BrokerHandle

AWAIT_S_MAX = 30.0


def write(broker: BrokerHandle, topic: str, count: int, partition: int = 0, **settings: Any) -> None:
    """Send `count` records with the values 0, 1, 2, ... to one partition, and wait for the acknowledgements."""
    with broker.producer(**settings) as producer:
        sent = [producer.send(topic, str(number).encode(), partition=partition) for number in range(count)]
        for acknowledgement in sent:
            acknowledgement.get(AWAIT_S_MAX)


def read(broker: BrokerHandle, topic: str, count: int, **settings: Any) -> list[Any]:
    """Read a topic from its start until at least `count` records arrived; more than that is an error in the test."""
    records: list[Any] = []
    with broker.consumer(topic, **settings) as consumer:
        poll_until(lambda: len(records) >= count, consumer, into=records)
    return records


def poll_until(done: Callable[[], bool], *consumers: KafkaConsumer, into: list[Any] | None = None) -> None:
    """Poll the consumers in turn until `done`, and append their records to `into`."""
    deadline_s = time.monotonic() + AWAIT_S_MAX
    while not done():
        assert time.monotonic() < deadline_s, f"timed out after {AWAIT_S_MAX:g} s; records so far: {into}"
        for consumer in consumers:
            for batch in consumer.poll(timeout_ms=50).values():
                if into is not None:
                    into += batch


def partitions(topic: str, count: int) -> set[TopicPartition]:
    return {TopicPartition(topic, number) for number in range(count)}


def recreate(broker: BrokerHandle, topic: str, partitions: int = 1) -> None:
    """Delete a topic, and create one with the same name as soon as the broker allows it."""

    def create(admin: Any) -> bool:
        try:
            admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})
        except TopicAlreadyExistsError:
            return False
        return True

    with broker.admin() as admin:
        admin.delete_topics([topic])
        poll_until(lambda: create(admin))
