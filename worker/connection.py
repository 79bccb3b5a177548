"""The Kafka clients as this project sets them up, and one sentence when the broker is not there."""

import re
import socket
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import (
    AuthorizationError,
    KafkaError,
    RetriableError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
)
from kafka.structs import OffsetAndMetadata, TopicPartition

from stripwatch.worker.auth_failures import raise_auth_failures, refusal
from stripwatch.worker.errors import BrokerLost, SettingsError
from stripwatch.worker.header_names import accept_any_header_name
from stripwatch.worker.lost_requests import keep_requests
from stripwatch.worker.offsets import Partition
from stripwatch.worker.security import PLAINTEXT, Security, check_tls, client_options, speaks_tls
from stripwatch.worker.settings import Settings
from stripwatch.worker.sockets import PlainSelector, read_much

T = TypeVar("T")
_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")
_FETCH_BYTES_MAX = 16_000_000
_REJECT_HEADER_BYTES = 100_000
_RECONNECT_MS_MAX = 2000  # 30 s, the default, is long after a broker that is back
# A transaction that follows the last one at once finds it still closing, and asks again after this (100 by default).
_TRANSACTION_RETRY_MS = 20
_DISCARD_S_MAX = 5.0
LINGER_MS = 2  # how long a record waits for others before it is sent, where nobody knows better
_ASK_AGAIN_S = 0.2
_ASSIGNORS = {"eager": RangePartitionAssignor, "cooperative": CooperativeStickyAssignor}


def open_consumer(settings: Settings) -> KafkaConsumer:
    """A consumer of the worker's group, subscribed to nothing yet. Raises BrokerLost."""
    accept_any_header_name()
    return connect(
        KafkaConsumer,
        settings.bootstrap_servers,
        settings.broker_wait_s_max,
        security=settings.security,
        group_id=settings.group_id,
        client_id="stripwatch",
        group_instance_id=instance_id(settings) if settings.static_membership else None,
        partition_assignment_strategy=[_ASSIGNORS[settings.rebalance]()],
        session_timeout_ms=settings.session_timeout_ms,
        max_poll_interval_ms=settings.max_poll_interval_ms,
        heartbeat_interval_ms=min(3000, settings.session_timeout_ms // 3),
        enable_auto_commit=False,
        auto_offset_reset="none",  # kafka-python would skip what Kafka has deleted without a word: see placing.py
        # exactly-once: also of offsets, so that reading waits for a transaction that is not yet decided (KIP-447).
        isolation_level="read_committed" if settings.delivery == "exactly-once" else "read_uncommitted",
        reconnect_backoff_max_ms=_RECONNECT_MS_MAX,
        allow_auto_create_topics=False,
        # One fetch is memory that no credit counts; a larger frame still comes, alone (KIP-74).
        fetch_max_bytes=_FETCH_BYTES_MAX,
        fetch_max_wait_ms=settings.fetch_wait_ms_max,
        max_partition_fetch_bytes=_FETCH_BYTES_MAX // 4,
    )


def open_producer(settings: Settings) -> KafkaProducer:
    """An idempotent producer: a retry after a lost acknowledgement writes nothing twice. Raises BrokerLost.

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
        reconnect_backoff_max_ms=_RECONNECT_MS_MAX,
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
        discard(producer)
        raise BrokerLost(denied(error)) from error
    except KafkaError as error:
        discard(producer)
        raise BrokerLost(f"Kafka gives no transactions to this worker: {type(error).__name__}: {error}") from error


def discard(producer: KafkaProducer) -> None:
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


def instance_id(settings: Settings) -> str:
    """The same after a restart: two workers of a host have two ports."""
    return settings.instance_id or f"{socket.gethostname()}-{settings.metrics_port}"


def denied(error: AuthorizationError) -> str:
    """One sentence for what Kafka's access rules forbid."""
    if isinstance(error, TopicAuthorizationFailedError):
        found = error.args[0] if error.args else ""
        topics = sorted(found) if isinstance(found, Collection) and not isinstance(found, str) else [found]
        return f"Kafka's access rules forbid this worker the topic {', '.join(map(repr, topics))}"
    return f"Kafka's access rules forbid it: {type(error).__name__}: {error}"


def require_topics(consumer: KafkaConsumer, topics: Collection[str], wait_s_max: float = 30) -> None:
    """Raise BrokerLost when a topic is missing. It asks for all topics: by name, some brokers would create them."""
    missing = sorted(set(topics) - ask_topics(consumer, wait_s_max))
    if missing:
        raise BrokerLost(
            f"the broker has no topic {', '.join(map(repr, missing))}; 'stripwatch topics' creates them "
            "(or access rules hide them from this worker)"
        )


def ask_topics(consumer: KafkaConsumer, wait_s_max: float) -> set[str]:
    """The names of all topics; a connection that drops meanwhile is made again. Raises BrokerLost."""
    deadline_s = time.monotonic() + wait_s_max
    while True:
        try:
            topics: set[str] = consumer.topics()
            return topics
        except RetriableError as error:
            if time.monotonic() > deadline_s:
                raise BrokerLost(f"Kafka did not tell its topics within {wait_s_max:g} s: {error}") from error
            time.sleep(_ASK_AGAIN_S)
        except KafkaError as error:
            raise BrokerLost(f"Kafka did not tell its topics: {type(error).__name__}: {error}") from error


def connect(
    client: Callable[..., T], bootstrap_servers: str, wait_s_max: float, security: Security = PLAINTEXT, **options: Any
) -> T:
    """Make a kafka-python client.

    Raises SettingsError for malformed servers, InputError for a file that `security` names, BrokerLost when none
    answers, or one does not let us in.
    """
    servers = [server.strip() for server in bootstrap_servers.split(",")]
    if not all(map(_SERVER.fullmatch, servers)):
        raise SettingsError(f"bootstrap servers are HOST:PORT[,HOST:PORT...], not {bootstrap_servers!r}")
    options |= client_options(security)
    if security.encrypted:
        check_tls(servers, options["ssl_context"])
    raise_auth_failures()
    read_much()
    options["selector"] = PlainSelector
    try:
        return client(bootstrap_servers=servers, bootstrap_timeout_ms=round(wait_s_max * 1000), **options)
    except SaslAuthenticationFailedError as error:
        raise BrokerLost(
            f"Kafka at {bootstrap_servers} does not let us in by {security.mechanism}: {refusal(error)}"
        ) from error
    except KafkaError as error:
        by = "" if security.protocol == "PLAINTEXT" else f" over {security.protocol}"
        hint = ""
        if not security.encrypted and any(map(speaks_tls, servers)):
            hint = "; what listens there speaks TLS (setting 'security.protocol')"
        raise BrokerLost(
            f"no Kafka broker answers at {bootstrap_servers} within {wait_s_max:g} s{by} ({type(error).__name__}){hint}"
        ) from error


def to_kafka(offsets: Mapping[Partition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {TopicPartition(*p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}


def from_kafka_offsets(offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> dict[Partition, int]:
    return {Partition(*p): metadata.offset for p, metadata in offsets.items()}
