"""The Kafka clients as this project sets them up, and one sentence when the broker is not there."""

import re
from collections.abc import Callable, Collection
from typing import Any, TypeVar

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError, SaslAuthenticationFailedError

from worker.auth_failures import raise_auth_failures, refusal
from worker.errors import BrokerLost, SettingsError
from worker.header_names import accept_any_header_name
from worker.security import PLAINTEXT, Security, check_tls, client_options, speaks_tls
from worker.settings import Settings

T = TypeVar("T")
_SERVER = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):\d{1,5}")
_FETCH_BYTES_MAX = 16_000_000
_REJECT_HEADER_BYTES = 100_000


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
        session_timeout_ms=settings.session_timeout_ms,
        heartbeat_interval_ms=min(3000, settings.session_timeout_ms // 3),
        enable_auto_commit=False,
        auto_offset_reset=settings.start_at,
        allow_auto_create_topics=False,
        # One fetch is memory that no credit counts; a larger frame still comes, alone (KIP-74).
        fetch_max_bytes=_FETCH_BYTES_MAX,
        fetch_max_wait_ms=settings.fetch_wait_ms_max,
        max_partition_fetch_bytes=_FETCH_BYTES_MAX // 4,
    )


def open_producer(settings: Settings) -> KafkaProducer:
    """An idempotent producer: a retry after a lost acknowledgement writes nothing twice. Raises BrokerLost."""
    return connect(
        KafkaProducer,
        settings.bootstrap_servers,
        settings.broker_wait_s_max,
        security=settings.security,
        client_id="stripwatch",
        acks="all",
        enable_idempotence=True,
        allow_auto_create_topics=False,
        linger_ms=2,
        batch_size=65_536,
        max_request_size=max(1_048_576, settings.reject_bytes_max + _REJECT_HEADER_BYTES),
        max_block_ms=round(settings.send_s_max * 1000),
        delivery_timeout_ms=round(settings.send_s_max * 1000),
        request_timeout_ms=round(min(30, settings.send_s_max / 2) * 1000),
    )


def require_topics(consumer: KafkaConsumer, topics: Collection[str]) -> None:
    """Raise BrokerLost when a topic is missing. It asks for all topics: by name, some brokers would create them."""
    missing = sorted(set(topics) - consumer.topics())
    if missing:
        raise BrokerLost(f"the broker has no topic {', '.join(map(repr, missing))}; 'stripwatch topics' creates them")


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
