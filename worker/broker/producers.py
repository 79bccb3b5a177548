"""Kafka producers."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaError,
)

from stripwatch.worker.broker.admin import open_admin, require_topic
from stripwatch.worker.broker.connection import ClientConfig, authorization_message, client_config, connect
from stripwatch.worker.broker.topic_limits import TopicLimits, limits_of
from stripwatch.worker.broker.workarounds.producer.bystanders import mark_bystanders
from stripwatch.worker.broker.workarounds.producer.discarded_producers import force_close
from stripwatch.worker.broker.workarounds.producer.endless_commits import bound_commits
from stripwatch.worker.broker.workarounds.producer.forgotten_causes import keep_causes
from stripwatch.worker.broker.workarounds.producer.lost_requests import keep_requests
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.settings import Settings

_RECORD_HEADER_BYTES = 100_000  # of a reject, or another copy of a frame
_BATCH_BYTES = 65_536
_REQUEST_BYTES_MIN = 1_048_576
# A transaction that follows the last one at once finds it still closing, and asks again after this (100 by default).
_TRANSACTION_RETRY_MS = 20
LINGER_MS = 2  # how long a record waits for others before it is sent, where nobody knows better
_FRAME_LINGER_MS = 5

DELIVERY_S_MAX = 30.0  # the producer gives a frame up after so long; then the broker is lost
INFLIGHT_BYTES_MAX = 64_000_000  # kafka-python itself sets no limit to what waits for an acknowledgement


@dataclass(frozen=True, slots=True)
class ProducerConfig:
    """What a producer may send, and how long that may take.

    send_s_max: until a record is acknowledged or given up; also of a call that blocks.
    transactional_id: None for a producer without transactions. transaction_s_max: then Kafka aborts an open one.
    """

    client: ClientConfig
    send_s_max: float
    request_bytes_max: int
    batch_bytes: int = _BATCH_BYTES
    linger_ms: int = LINGER_MS
    transactional_id: str | None = None
    transaction_s_max: float = 0.0


def producer_config(
    settings: Settings,
    limits: TopicLimits | None = None,
    body_bytes_max: int = 0,
    send_s_max: float | None = None,
    in_transactions: bool = False,
) -> ProducerConfig:
    """A producer of the worker or of `stripwatch coils`.

    limits: of its topics. body_bytes_max: of the largest record. send_s_max: shorter than that of the settings.
    """
    limits = limits or TopicLimits()
    config = ProducerConfig(
        client_config(settings),
        settings.send_s_max if send_s_max is None else send_s_max,
        max(_REQUEST_BYTES_MIN, body_bytes_max + _RECORD_HEADER_BYTES, limits.largest() or 0),
        # No batch of several records is over a topic's limit, so no record is refused for the company it keeps.
        min(_BATCH_BYTES, limits.smallest() or _BATCH_BYTES),
    )
    if not in_transactions:
        return config
    return replace(
        config,
        # Longer than elsewhere: readers see a record only at the end of its transaction.
        linger_ms=max(LINGER_MS, settings.exactly_once.transaction_ms // 4),
        transactional_id=f"{settings.group_id}-{settings.instance_id}",
        transaction_s_max=settings.exactly_once.transaction_s_max,
    )


def open_producer(
    config: ProducerConfig, topics: Collection[str] = (), is_gone: Callable[[str], bool] = lambda _: False
) -> KafkaProducer:
    """An idempotent producer: a retry after a lost acknowledgement writes nothing twice. Raises BrokerUnavailableError.

    With a transactional id, whoever had it before is fenced, and its open transaction aborted.
    topics: their metadata is fetched here, so that no `send` has to wait for it.
    is_gone: of a topic of frames; its offsets are left out of a transaction that Kafka refuses them for.
    """
    send_ms = round(config.send_s_max * 1000)
    transactional = {
        "transactional_id": config.transactional_id,
        "transaction_timeout_ms": round(config.transaction_s_max * 1000),
        "retry_backoff_ms": _TRANSACTION_RETRY_MS,
    }
    producer = connect(
        KafkaProducer,
        config.client,
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        linger_ms=config.linger_ms,
        batch_size=config.batch_bytes,
        max_request_size=config.request_bytes_max,
        max_block_ms=send_ms,
        delivery_timeout_ms=send_ms,
        request_timeout_ms=min(30_000, send_ms // 2),
        **(transactional if config.transactional_id else {}),
    )
    mark_bystanders(producer)
    keep_causes(producer)
    _fetch_metadata(producer, topics)
    if config.transactional_id:
        keep_requests(producer)
        bound_commits(producer, config.send_s_max, is_gone)
        _claim_transactional_id(producer)
    return producer


def _fetch_metadata(producer: KafkaProducer, topics: Collection[str]) -> None:
    for topic in topics:
        try:
            producer.partitions_for(topic)
        except AuthorizationError as error:
            force_close(producer)
            raise BrokerUnavailableError(authorization_message(error)) from error
        except KafkaError as error:
            force_close(producer)
            raise BrokerUnavailableError(
                f"cannot write to topic {topic!r}: it does not exist, or no broker reports it: {error}"
            ) from error


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


@contextmanager
def open_frame_producer(client: ClientConfig, topic: str) -> Iterator[KafkaProducer]:
    """A producer of a command, for frames to a topic that exists.

    Raises SettingsError, also for a topic that is not there, or BrokerUnavailableError where no broker answers.
    """
    require_topic(client, topic)
    limits = TopicLimits(partial(_frame_limits, client, topic))
    limits.refresh()
    bytes_max = limits.bytes_max(topic) or INFLIGHT_BYTES_MAX  # a larger frame is refused here: it costs no other frame
    batch_bytes = min(_BATCH_BYTES, bytes_max)
    producer = open_producer(ProducerConfig(client, DELIVERY_S_MAX, bytes_max, batch_bytes, _FRAME_LINGER_MS))
    try:
        yield producer
    finally:
        with suppress(KafkaError):  # whoever needs the acknowledgements has flushed before
            producer.flush(timeout=1)
        force_close(producer)


def _frame_limits(client: ClientConfig, topic: str) -> dict[str, int]:
    """Empty where Kafka does not tell; then a frame that is too large is refused by Kafka."""
    with suppress(BrokerUnavailableError), open_admin(client) as admin:
        return limits_of(admin, [topic])
    return {}
