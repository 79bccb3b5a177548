"""Threads that are in `send` while their producer is discarded.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import threading
from typing import Any

import pytest
from kafka import KafkaProducer
from kafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close, send_or_fail
from tests.brokers.handle import BrokerHandle
from tests.waiting import wait_until

pytestmark = pytest.mark.kafka
AWAIT_S_MAX = 30.0


class Caller:
    """Thread that sends to a topic that does not exist, and so waits for metadata."""

    def __init__(self, producer: KafkaProducer) -> None:
        self.raised: list[BaseException] = []
        self._producer = producer
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()
        wait_until(lambda: "missing" in producer._metadata._topics)

    def _send(self) -> None:
        try:
            send_or_fail(self._producer, "missing", b"")
        except BaseException as error:
            self.raised.append(error)


def slow_producer(broker: BrokerHandle, **more: Any) -> KafkaProducer:
    return broker.producer(max_block_ms=600_000, allow_auto_create_topics=False, **more)


def test_kafka_python_does_not_release_a_caller(apache_broker: BrokerHandle) -> None:
    producer = slow_producer(apache_broker)
    caller = Caller(producer)
    producer._sender.force_close()
    producer._sender.join(AWAIT_S_MAX)
    caller.thread.join(1)
    assert caller.thread.is_alive() or not isinstance(caller.raised[0], KafkaError)
    force_close(producer)
    caller.thread.join(AWAIT_S_MAX)
    assert not caller.thread.is_alive()


def test_releases_a_caller_when_its_producer_is_discarded(apache_broker: BrokerHandle) -> None:
    producer = slow_producer(apache_broker)
    caller = Caller(producer)
    force_close(producer)
    caller.thread.join(AWAIT_S_MAX)
    assert [type(error) for error in caller.raised] == [IllegalStateError]


def test_a_discarded_producer_raises_only_kafka_errors(apache_broker: BrokerHandle) -> None:
    producer, topic = slow_producer(apache_broker), apache_broker.new_topic()
    producer.partitions_for(topic)
    force_close(producer)
    for name in (topic, "missing"):
        with pytest.raises(KafkaError):
            send_or_fail(producer, name, b"")


def test_kafka_python_keeps_sending_after_close_but_not_after_force_close(apache_broker: BrokerHandle) -> None:
    topic = apache_broker.new_topic()
    producer = apache_broker.producer(linger_ms=60_000)
    future = producer.send(topic, b"left over")
    with pytest.raises(KafkaTimeoutError):
        producer.close(timeout=0)
    assert producer._sender.is_alive()
    force_close(producer)
    assert not producer._sender.is_alive()
    assert future.failed()
