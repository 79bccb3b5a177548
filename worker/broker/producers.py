"""Create Kafka producers."""

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
# A transaction that follows directly finds the previous one still closing, and retries after this time (default 100).
_TRANSACTION_RETRY_MS = 20
LINGER_MS = 2  # default time that a record waits for others before it is sent
_FRAME_LINGER_MS = 5

DELIVERY_S_MAX = 30.0  # after this time the producer gives up on a frame, and the broker counts as unavailable
INFLIGHT_BYTES_MAX = 64_000_000  # kafka-python does not limit the bytes that wait for an acknowledgement


@dataclass(frozen=True, slots=True)
class ProducerConfig:
    """Configuration of a producer.

    Attributes:
        client: Connection parameters.
        send_s_max: Maximum time until a record is acknowledged or given up, and of a blocking call.
        request_bytes_max: Maximum size of a request.
        batch_bytes: Maximum size of a batch of several records.
        linger_ms: Time that a record waits for others before it is sent.
        transactional_id: Transactional id; None for a producer without transactions.
        transaction_s_max: Time after which Kafka aborts an open transaction.
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
    """Build the configuration of a producer of the worker or of `stripwatch coils`.

    Args:
        settings: The settings.
        limits: Size limits of the producer's topics.
        body_bytes_max: Maximum size of a record.
        send_s_max: Shorter time than that of the settings.
        in_transactions: Use transactions.
    """
    limits = limits or TopicLimits()
    config = ProducerConfig(
        client_config(settings),
        settings.send_s_max if send_s_max is None else send_s_max,
        max(_REQUEST_BYTES_MIN, body_bytes_max + _RECORD_HEADER_BYTES, limits.largest() or 0),
        # A batch of several records never exceeds a topic's limit, so no record is rejected because of the others.
        min(_BATCH_BYTES, limits.smallest() or _BATCH_BYTES),
    )
    if not in_transactions:
        return config
    return replace(
        config,
        # A longer linger time costs nothing, because consumers see a record only at the end of its transaction.
        linger_ms=max(LINGER_MS, settings.exactly_once.transaction_ms // 4),
        transactional_id=f"{settings.group_id}-{settings.instance_id}",
        transaction_s_max=settings.exactly_once.transaction_s_max,
    )


def open_producer(
    config: ProducerConfig, topics: Collection[str] = (), is_gone: Callable[[str], bool] = lambda _: False
) -> KafkaProducer:
    """Create an idempotent producer, whose retries after a lost acknowledgement do not write a record twice.

    With a transactional id, a previous producer with the same id is fenced and its open transaction is aborted.

    Args:
        config: Configuration of the producer.
        topics: Topics whose metadata is fetched now, so that `send` does not have to wait for it.
        is_gone: Returns whether a topic of frames was deleted. Its offsets are left out of a transaction if Kafka
            rejects them.

    Raises:
        BrokerUnavailableError: No broker responds, or ACLs forbid the operation.
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
        raise BrokerUnavailableError(f"cannot initialize transactions: {type(error).__name__}: {error}") from error


@contextmanager
def open_frame_producer(client: ClientConfig, topic: str) -> Iterator[KafkaProducer]:
    """Open a producer for frames, used by commands.

    Raises SettingsError, also if the topic does not exist, or BrokerUnavailableError if no broker responds.
    """
    require_topic(client, topic)
    limits = TopicLimits(partial(_frame_limits, client, topic))
    limits.refresh()
    bytes_max = (
        limits.bytes_max(topic) or INFLIGHT_BYTES_MAX
    )  # a larger frame is rejected by the producer and affects no other frame
    batch_bytes = min(_BATCH_BYTES, bytes_max)
    producer = open_producer(ProducerConfig(client, DELIVERY_S_MAX, bytes_max, batch_bytes, _FRAME_LINGER_MS))
    try:
        yield producer
    finally:
        with suppress(KafkaError):  # callers that need acknowledgements flush before
            producer.flush(timeout=1)
        force_close(producer)


def _frame_limits(client: ClientConfig, topic: str) -> dict[str, int]:
    """Return the size limit of the topic, or nothing if Kafka does not report it; Kafka then rejects large frames."""
    with suppress(BrokerUnavailableError), open_admin(client) as admin:
        return limits_of(admin, [topic])
    return {}
