"""Kafka producers."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaError,
)

from stripwatch.worker.broker.admin import require_topic
from stripwatch.worker.broker.connection import (
    BOOTSTRAP_S_MAX,
    RECONNECT_MS_MAX,
    authorization_message,
    connect,
    connect_tool,
    instance_id,
)
from stripwatch.worker.broker.workarounds.lost_requests import keep_requests
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.security import PLAINTEXT, Security
from stripwatch.worker.config.settings import Settings

_REJECT_HEADER_BYTES = 100_000
# A transaction that follows the last one at once finds it still closing, and asks again after this (100 by default).
_TRANSACTION_RETRY_MS = 20
_DISCARD_S_MAX = 5.0
LINGER_MS = 2  # how long a record waits for others before it is sent, where nobody knows better


DELIVERY_S_MAX = 30.0  # the producer gives a frame up after so long; then the broker is lost
INFLIGHT_BYTES_MAX = 64_000_000  # kafka-python itself sets no limit to what waits for an acknowledgement


def open_producer(settings: Settings) -> KafkaProducer:
    """An idempotent producer: a retry after a lost acknowledgement writes nothing twice. Raises BrokerUnavailableError.

    exactly-once: a transactional one. Whoever had its transactional id before is fenced, its open transaction aborted.
    """
    transactional = {
        "transactional_id": f"{settings.group_id}-{instance_id(settings)}",
        "transaction_timeout_ms": round(settings.transaction_s_max * 1000),
        "retry_backoff_ms": _TRANSACTION_RETRY_MS,
    }
    producer = connect(
        KafkaProducer,
        settings.bootstrap_servers,
        settings.broker_wait_s_max,
        security=settings.security,
        client_id="stripwatch",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        linger_ms=LINGER_MS if settings.delivery == "at-least-once" else max(LINGER_MS, settings.transaction_ms // 4),
        batch_size=65_536,
        max_request_size=max(1_048_576, settings.reject_bytes_max + _REJECT_HEADER_BYTES),
        max_block_ms=round(settings.send_s_max * 1000),
        delivery_timeout_ms=round(settings.send_s_max * 1000),
        request_timeout_ms=round(min(30, settings.send_s_max / 2) * 1000),
        reconnect_backoff_max_ms=RECONNECT_MS_MAX,
        **(transactional if settings.delivery == "exactly-once" else {}),
    )
    if settings.delivery == "exactly-once":
        keep_requests(producer)
        _claim_transactional_id(producer)
    return producer


def _claim_transactional_id(producer: KafkaProducer) -> None:
    try:
        producer.init_transactions()
    except AuthorizationError as error:
        force_close(producer)
        raise BrokerUnavailableError(authorization_message(error)) from error
    except KafkaError as error:
        force_close(producer)
        raise BrokerUnavailableError(
            f"Kafka gives no transactions to this worker: {type(error).__name__}: {error}"
        ) from error


def force_close(producer: KafkaProducer) -> None:
    """End a producer without waiting for what it still holds: each of its futures fails, and it sends nothing more.

    close(timeout=0) of kafka-python 3.0.12 raises while records are left over, and leaves the thread sending.
    """
    producer._sender.force_close()
    producer._sender.join(_DISCARD_S_MAX)
    with suppress(KafkaError):
        producer.close(timeout=0)


def set_linger(producer: KafkaProducer, ms: float) -> None:
    """From now on. kafka-python 3.0.12 offers no public way; it asks this each time it looks for what to send."""
    producer._accumulator.config["linger_ms"] = ms


@contextmanager
def open_frame_producer(bootstrap_servers: str, topic: str, security: Security = PLAINTEXT) -> Iterator[Any]:
    """A KafkaProducer for frames to a topic that exists: no repeats, no compression (an image has no air in it).

    Raises SettingsError, also for a topic that is not there, or BrokerUnavailableError where no broker answers.
    """
    require_topic(bootstrap_servers, topic, security)
    producer = connect_tool(
        KafkaProducer,
        bootstrap_servers,
        security,
        acks="all",
        enable_idempotence=True,
        compression_type=None,
        linger_ms=5,
        max_request_size=INFLIGHT_BYTES_MAX,  # the topic's own limit is the one that counts
        delivery_timeout_ms=round(DELIVERY_S_MAX * 1000),
        max_block_ms=round(BOOTSTRAP_S_MAX * 1000),
    )
    try:
        yield producer
    finally:
        with suppress(KafkaError):  # whoever needs the acknowledgements has flushed before
            producer.close(timeout=1)
