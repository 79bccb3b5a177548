"""Properties of all consumers of the project."""

from collections.abc import Callable
from contextlib import AbstractContextManager, closing

import pytest
from kafka import TopicPartition

from stripwatch.worker.broker import consumers
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.consumers import open_group_member, open_reader, read_from_beginning
from stripwatch.worker.broker.workarounds.batches.limits import FetchLimits
from stripwatch.worker.broker.workarounds.connection.sockets import PlainSelector
from stripwatch.worker.broker.workarounds.consumer.bounded_consumer import BoundedConsumer
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.positions import DiscardedValue
from tests.brokers.handle import BrokerHandle

Opened = AbstractContextManager[BoundedConsumer]
LIMITS = FetchLimits(record_bytes_max=200_000, batch_bytes_max=500_000)
SHARED = {
    "enable_auto_commit": False,
    "allow_auto_create_topics": False,
    "metadata_max_age_ms": 3000,
    "reconnect_backoff_max_ms": 2000,
    "selector": PlainSelector,
}


def group_member(broker: BrokerHandle) -> Opened:
    given = {"bootstrap_servers": broker.bootstrap_servers, "group_id": broker.new_name("group")}
    return closing(open_group_member(load_settings(None, given)))


def reader(broker: BrokerHandle) -> Opened:
    return open_reader(ClientConfig(broker.bootstrap_servers))


def reader_of_a_group(broker: BrokerHandle) -> Opened:
    return open_reader(ClientConfig(broker.bootstrap_servers), broker.new_name("group"))


USES = pytest.mark.parametrize("opened", [group_member, reader, reader_of_a_group])


@USES
def test_every_consumer_has_the_shared_options(
    embedded_broker: BrokerHandle, opened: Callable[[BrokerHandle], Opened]
) -> None:
    with opened(embedded_broker) as consumer:
        assert {name: consumer.config[name] for name in SHARED} == SHARED
        assert consumer.config["fetch_max_bytes"] <= 16_000_000


@USES
def test_every_consumer_survives_a_batch_that_unpacks_to_too_many_bytes(
    embedded_broker: BrokerHandle, monkeypatch: pytest.MonkeyPatch, opened: Callable[[BrokerHandle], Opened]
) -> None:
    monkeypatch.setattr(consumers, "_READER_LIMITS", LIMITS)
    monkeypatch.setattr(consumers, "fetch_limits", lambda _: LIMITS)
    topic = embedded_broker.new_topic()
    options = {"compression_type": "gzip", "linger_ms": 1000, "batch_size": 10_000_000, "max_request_size": 20_000_000}
    with embedded_broker.producer(**options) as producer:
        for _ in range(20):
            producer.send(topic, bytes(150_000))
        producer.flush()
    values: list[bytes] = []
    with opened(embedded_broker) as consumer:
        read_from_beginning(consumer, [topic])
        while consumer.position(TopicPartition(topic, 0)) < 20:
            values += [record.value for records in consumer.poll(timeout_ms=100).values() for record in records]
    assert [type(value) for value in values] == [DiscardedValue] * 20


def test_names_a_missing_topic_and_does_not_create_it(broker: BrokerHandle) -> None:
    topic = broker.new_name("topic")
    with reader(broker) as consumer:
        with pytest.raises(BrokerUnavailableError, match=f"the broker has no topic '{topic}'"):
            read_from_beginning(consumer, [topic])
        assert topic not in consumer.topics()
