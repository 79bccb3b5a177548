"""Connections of the tools to Kafka. The exceptions and the log noise of kafka-python end here."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    UnknownTopicOrPartitionError,
    for_code,
)

from stripwatch.worker.connection import connect
from stripwatch.worker.errors import BrokerLost, SettingsError
from stripwatch.worker.security import PLAINTEXT, Security
from stripwatch.worker.tools.sender import DELIVERY_S_MAX, INFLIGHT_BYTES_MAX

_BOOTSTRAP_S_MAX = 10.0


@contextmanager
def open_admin(bootstrap_servers: str, security: Security = PLAINTEXT) -> Iterator[Any]:
    """A KafkaAdminClient, closed at the end. Raises SettingsError, or BrokerLost where no broker answers."""
    admin = _open(KafkaAdminClient, bootstrap_servers, security)
    try:
        with _connected(bootstrap_servers):
            yield admin
    finally:
        admin.close()


@contextmanager
def open_producer(bootstrap_servers: str, topic: str, security: Security = PLAINTEXT) -> Iterator[Any]:
    """A KafkaProducer for frames to a topic that exists: no repeats, no compression (an image has no air in it).

    Raises SettingsError, also for a topic that is not there, or BrokerLost where no broker answers.
    """
    require_topic(bootstrap_servers, topic, security)
    producer = _open(
        KafkaProducer,
        bootstrap_servers,
        security,
        acks="all",
        enable_idempotence=True,
        compression_type=None,
        linger_ms=5,
        max_request_size=INFLIGHT_BYTES_MAX,  # the topic's own limit is the one that counts
        delivery_timeout_ms=round(DELIVERY_S_MAX * 1000),
        max_block_ms=round(_BOOTSTRAP_S_MAX * 1000),
    )
    try:
        yield producer
    finally:
        with suppress(KafkaError):  # whoever needs the acknowledgements has flushed before
            producer.close(timeout=1)


def require_topic(bootstrap_servers: str, topic: str, security: Security = PLAINTEXT) -> None:
    """Raise SettingsError if the topic is not there: a producer would silently make it, with the wrong limits."""
    with open_admin(bootstrap_servers, security) as admin:
        (described,) = admin.describe_topics([topic])
    error = for_code(described["error_code"])
    if error is UnknownTopicOrPartitionError:
        how = f"make it with 'stripwatch topics --bootstrap-servers {bootstrap_servers}'"
        raise SettingsError(f"there is no topic {topic} at {bootstrap_servers}; {how}")
    if described["error_code"]:
        raise SettingsError(f"topic {topic} at {bootstrap_servers} cannot be used: {error.__name__}")


def _open(client: Callable[..., Any], bootstrap_servers: str, security: Security, **options: Any) -> Any:
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # what matters comes as an exception, and is said once
    request_ms = round(_BOOTSTRAP_S_MAX * 1000)
    common = {"client_id": "stripwatch-tools", "request_timeout_ms": request_ms}
    return connect(client, bootstrap_servers, _BOOTSTRAP_S_MAX, security, **common, **options)


@contextmanager
def _connected(bootstrap_servers: str) -> Iterator[None]:
    try:
        yield
    except (KafkaTimeoutError, KafkaConnectionError) as error:
        raise BrokerLost(f"no Kafka broker answers at {bootstrap_servers} within {_BOOTSTRAP_S_MAX:.0f} s") from error
    except KafkaError as error:
        raise BrokerLost(f"Kafka at {bootstrap_servers} answers with an error: {error}") from error
