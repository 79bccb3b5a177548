"""Kafka producers."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    KafkaTimeoutError,
    UnknownError,
)
from kafka.future import Future

from stripwatch.worker.broker.admin import open_admin, require_topic
from stripwatch.worker.broker.connection import (
    BOOTSTRAP_S_MAX,
    RECONNECT_MS_MAX,
    authorization_message,
    connect,
    connect_tool,
)
from stripwatch.worker.broker.topic_limits import TopicLimits, limits_of
from stripwatch.worker.broker.workarounds.bystanders import mark_bystanders
from stripwatch.worker.broker.workarounds.discarded_producers import free_waiting, refuse_metadata
from stripwatch.worker.broker.workarounds.endless_commits import bound_commits
from stripwatch.worker.broker.workarounds.forgotten_causes import keep_causes
from stripwatch.worker.broker.workarounds.lost_requests import keep_requests
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.security import PLAINTEXT, Security
from stripwatch.worker.config.settings import Settings

_REJECT_HEADER_BYTES = 100_000
_BATCH_BYTES = 65_536
_REQUEST_BYTES_MIN = 1_048_576
# A transaction that follows the last one at once finds it still closing, and asks again after this (100 by default).
_TRANSACTION_RETRY_MS = 20
_DISCARD_S_MAX = 5.0
_CHECK_S = 0.005
LINGER_MS = 2  # how long a record waits for others before it is sent, where nobody knows better


DELIVERY_S_MAX = 30.0  # the producer gives a frame up after so long; then the broker is lost
INFLIGHT_BYTES_MAX = 64_000_000  # kafka-python itself sets no limit to what waits for an acknowledgement


def open_producer(
    settings: Settings,
    topics: Collection[str] = (),
    limits: TopicLimits | None = None,
    is_gone: Callable[[str], bool] = lambda _: False,
) -> KafkaProducer:
    """An idempotent producer: a retry after a lost acknowledgement writes nothing twice. Raises BrokerUnavailableError.

    exactly-once: a transactional one. Whoever had its transactional id before is fenced, its open transaction aborted.
    topics: their metadata is fetched here, so that no `send` has to wait for it. limits: of the topics.
    is_gone: of a topic of frames; its offsets are left out of a transaction that Kafka refuses them for.
    """
    limits = limits or TopicLimits()
    transactional = {
        "transactional_id": f"{settings.group_id}-{settings.instance_id}",
        "transaction_timeout_ms": round(settings.exactly_once.transaction_s_max * 1000),
        "retry_backoff_ms": _TRANSACTION_RETRY_MS,
    }
    producer = connect(
        KafkaProducer,
        settings.bootstrap_servers,
        settings.broker.wait_s_max,
        security=settings.security,
        client_id="stripwatch",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        linger_ms=_linger_ms(settings),
        # No batch of several records is over a topic's limit, so no record is refused for the company it keeps.
        batch_size=min(_BATCH_BYTES, limits.smallest() or _BATCH_BYTES),
        max_request_size=max(
            _REQUEST_BYTES_MIN, settings.rejects.bytes_max + _REJECT_HEADER_BYTES, limits.largest() or 0
        ),
        max_block_ms=round(settings.send_s_max * 1000),
        delivery_timeout_ms=round(settings.send_s_max * 1000),
        request_timeout_ms=round(min(30, settings.send_s_max / 2) * 1000),
        reconnect_backoff_max_ms=RECONNECT_MS_MAX,
        **(transactional if settings.delivery == "exactly-once" else {}),
    )
    mark_bystanders(producer)
    keep_causes(producer)
    _fetch_metadata(producer, topics)
    if settings.delivery == "exactly-once":
        keep_requests(producer)
        bound_commits(producer, settings.send_s_max, is_gone)
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


def _linger_ms(settings: Settings) -> int:
    """How long a record waits for others: longer in a transaction, at whose end readers see it anyway."""
    if settings.delivery == "at-least-once":
        return LINGER_MS
    return max(LINGER_MS, settings.exactly_once.transaction_ms // 4)


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

    A thread that is in one of its calls gets a KafkaError. close(timeout=0) of kafka-python 3.0.12 raises while records
    are left over, and leaves the thread sending.
    """
    refuse_metadata(producer)
    producer._sender.force_close()
    producer._sender.join(_DISCARD_S_MAX)
    free_waiting(producer)
    with suppress(KafkaError):
        producer.close(timeout=0)


def await_acknowledgements(producer: KafkaProducer, futures: Collection[Future], timeout_s: float) -> None:
    """Until each record was acknowledged or has failed. Raises KafkaTimeoutError.

    flush of kafka-python 3.0.12 raises UnknownError when a batch was split, since its records move to other batches.
    """
    deadline_s = time.monotonic() + timeout_s
    try:
        producer.flush(timeout=timeout_s)
    except UnknownError:
        while not all(future.is_done for future in futures):
            if time.monotonic() > deadline_s:
                raise KafkaTimeoutError(f"{timeout_s:g} s have passed") from None
            time.sleep(_CHECK_S)


def set_linger(producer: KafkaProducer, ms: float) -> None:
    """From now on. kafka-python 3.0.12 offers no public way; it asks this each time it looks for what to send."""
    producer._accumulator.config["linger_ms"] = ms


@contextmanager
def open_frame_producer(bootstrap_servers: str, topic: str, security: Security = PLAINTEXT) -> Iterator[Any]:
    """A KafkaProducer for frames to a topic that exists: no repeats, no compression (an image has no air in it).

    Raises SettingsError, also for a topic that is not there, or BrokerUnavailableError where no broker answers.
    """
    require_topic(bootstrap_servers, topic, security)
    limits = TopicLimits(partial(_frame_limits, bootstrap_servers, topic, security))
    limits.refresh()
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
    mark_bystanders(producer)
    if bytes_max := limits.bytes_max(topic):
        producer.config["max_request_size"] = bytes_max  # a larger frame is refused here, which costs no other frame
    try:
        yield producer
    finally:
        with suppress(KafkaError):  # whoever needs the acknowledgements has flushed before
            producer.flush(timeout=1)
        force_close(producer)


def _frame_limits(bootstrap_servers: str, topic: str, security: Security) -> dict[str, int]:
    """Empty where Kafka does not tell; then a frame that is too large is refused by Kafka."""
    with suppress(BrokerUnavailableError), open_admin(bootstrap_servers, security) as admin:
        return limits_of(admin, [topic])
    return {}
