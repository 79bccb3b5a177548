"""A broker that responds at the bootstrap server but advertises an unusable address."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError, KafkaTimeoutError, TopicAuthorizationFailedError

from stripwatch.worker.broker import connection, topic_drain
from stripwatch.worker.broker.admin import open_admin
from stripwatch.worker.broker.connection import ClientConfig, advertised_fault, broker_errors, connect
from stripwatch.worker.broker.consumers import list_topics
from stripwatch.worker.broker.workarounds.connection.cluster_metadata import advertised_servers
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.process.ports import free_port
from tests.brokers import apache
from tests.brokers.plugin import absence_is_a_skip

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.filterwarnings(
        "ignore::pytest.PytestUnraisableExceptionWarning"
    ),  # kafka-python leaves a socket open here
]
_NAME = "kafka-7.plant.invalid"


@dataclass(frozen=True, slots=True)
class Listeners:
    good: str
    nameless: str
    closed: str


@pytest.fixture(scope="module")
def listeners() -> Iterator[Listeners]:
    nameless, closed = free_port(), free_port()
    settings = f"""
listeners=PLAINTEXT://{{address}},CONTROLLER://127.0.0.1:{{controller_port}},NAMELESS://127.0.0.1:{nameless},CLOSED://127.0.0.1:{closed}
advertised.listeners=PLAINTEXT://{{address}},NAMELESS://{_NAME}:{nameless},CLOSED://127.0.0.1:1
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,NAMELESS:PLAINTEXT,CLOSED:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
"""
    with absence_is_a_skip(apache.KafkaUnavailableError), apache.apache_broker(settings) as broker:
        yield Listeners(broker.bootstrap_servers, f"127.0.0.1:{nameless}", f"127.0.0.1:{closed}")


@pytest.mark.parametrize("client", [KafkaConsumer, KafkaProducer, KafkaAdminClient])
def test_the_fault_names_the_advertised_address(listeners: Listeners, client: Callable[..., Any]) -> None:
    for bootstrap, address, fault in (
        (
            listeners.nameless,
            f"{_NAME}:{listeners.nameless.split(':')[1]}",
            f"the host name '{_NAME}' does not resolve",
        ),
        (listeners.closed, "127.0.0.1:1", "connection refused: nothing listens on port 1"),
    ):
        connected = connect(client, ClientConfig(bootstrap))
        assert advertised_servers(connected) == [address]
        assert str(advertised_fault(connected)).startswith(f"{address}: {fault}")
        connected.close()


def test_the_error_of_a_command_names_the_advertised_address(listeners: Listeners) -> None:
    with pytest.raises(BrokerUnavailableError) as raised, open_admin(ClientConfig(listeners.nameless)) as admin:
        admin.describe_topics(["frames"])
    text = str(raised.value)
    assert text.startswith(f"Kafka at {listeners.nameless} stopped responding: none of the addresses")
    assert f"the host name '{_NAME}' does not resolve" in text
    assert "correct advertised.listeners" in text
    consumer = connect(KafkaConsumer, ClientConfig(listeners.closed))
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1: connection refused.*advertised\."):
        list_topics(consumer, 0.1)
    consumer.close()


def test_reports_a_host_name_that_stops_resolving_while_the_client_runs(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumer = connect(KafkaConsumer, ClientConfig(listeners.good))
    assert advertised_fault(consumer) is None
    monkeypatch.setattr(connection, "connection_fault", partial(_gone, listeners.good))
    assert advertised_fault(consumer) == f"{listeners.good}: the host name does not resolve"
    consumer.close()


def test_a_reader_reports_why_it_cannot_continue(listeners: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = connect(KafkaConsumer, ClientConfig(listeners.good))
    error = KafkaTimeoutError("timed out")
    with pytest.raises(BrokerUnavailableError, match="reading from Kafka failed: KafkaTimeoutError"):
        _fail_reading(consumer, error)
    monkeypatch.setattr(connection, "connection_fault", partial(_gone, listeners.good))
    with pytest.raises(BrokerUnavailableError, match=r"does not resolve.*advertised\.listeners"):
        _fail_reading(consumer, error)
    monkeypatch.setattr(connection, "answer_fault", partial(_gone, listeners.good))
    with pytest.raises(BrokerUnavailableError, match=r"failed: the bootstrap servers cannot be reached \("):
        _fail_reading(consumer, error)
    with pytest.raises(BrokerUnavailableError, match="ACLs do not allow access to the topic 'frames'"):
        _fail_reading(consumer, TopicAuthorizationFailedError({"frames"}))
    consumer.close()


@pytest.mark.parametrize("reached", [True, False])
def test_a_stalled_reader_reports_whether_the_brokers_can_be_reached(
    listeners: Listeners, monkeypatch: pytest.MonkeyPatch, reached: bool
) -> None:
    monkeypatch.setattr(topic_drain, "STANDSTILL_S_MAX", 0.1)
    consumer = connect(KafkaConsumer, ClientConfig(listeners.good))
    partition = TopicPartition("frames", 0)
    standing = Mock(KafkaConsumer, wraps=consumer, config=consumer.config, _manager=consumer._manager)
    standing.poll = lambda timeout_ms: {}
    standing.position = lambda _: 0
    if not reached:
        monkeypatch.setattr(connection, "answer_fault", partial(_gone, listeners.good))
    why = "its brokers can be reached" if reached else "the bootstrap servers cannot be reached"
    with pytest.raises(BrokerUnavailableError, match=f"before the end of the topic: {why}"):
        list(topic_drain._read_to(standing, {partition: 1}, lambda: False, lambda: None))
    consumer.close()


def _fail_reading(consumer: KafkaConsumer, error: KafkaError) -> None:
    with broker_errors(consumer):
        raise error


def _gone(gone: str, server: str, **_: object) -> str | None:
    return "the host name does not resolve" if server == gone else None
