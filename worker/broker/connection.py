"""Connect Kafka clients, and explain in one sentence why a broker cannot be reached."""

import logging
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from kafka.errors import (
    AuthorizationError,
    KafkaError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
)

from stripwatch.worker.broker.reachability import answer_fault, connection_fault, faults_of
from stripwatch.worker.broker.tls import check_tls, client_options
from stripwatch.worker.broker.workarounds.connection.auth_failures import raise_auth_failures, refusal
from stripwatch.worker.broker.workarounds.connection.cluster_metadata import advertised_servers
from stripwatch.worker.broker.workarounds.connection.leaked_clients import make_or_close
from stripwatch.worker.broker.workarounds.connection.sockets import PlainSelector, read_available_bytes
from stripwatch.worker.broker.workarounds.connection.unclosed_sockets import close_sockets
from stripwatch.worker.broker.workarounds.tested_version import warn_of_untested_version
from stripwatch.worker.common.errors import BrokerUnavailableError, SettingsError
from stripwatch.worker.config.fields.kafka_names import split_servers
from stripwatch.worker.config.security import PLAINTEXT, Security
from stripwatch.worker.config.settings import Settings

T = TypeVar("T")
BOOTSTRAP_S_MAX = 10.0
_RECONNECT_MS_MAX = 2000  # the default of 30 s delays the recovery after a broker restart
TOOLS_ID = "stripwatch-tools"


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """Connection parameters of a Kafka client. The defaults are those of commands.

    Attributes:
        bootstrap_servers: HOST:PORT[,HOST:PORT...].
        security: TLS and SASL settings.
        client_id: Name of the client in the logs and quotas of the brokers.
        wait_s_max: Maximum time to wait for the first response.
        quiet: Suppress the log lines of kafka-python, because commands report errors themselves.
    """

    bootstrap_servers: str
    security: Security = PLAINTEXT
    client_id: str = TOOLS_ID
    wait_s_max: float = BOOTSTRAP_S_MAX
    quiet: bool = True


def client_config(settings: Settings, client_id: str = "stripwatch") -> ClientConfig:
    return ClientConfig(
        settings.bootstrap_servers, settings.security, client_id, settings.broker.wait_s_max, quiet=False
    )


def authorization_message(error: AuthorizationError) -> str:
    """Describe an authorization error in one sentence."""
    if isinstance(error, TopicAuthorizationFailedError):
        found = error.args[0] if error.args else ""
        topics = sorted(found) if isinstance(found, Collection) and not isinstance(found, str) else [found]
        return f"Kafka's ACLs do not allow access to the topic {', '.join(map(repr, topics))}; grant it to this client"
    return f"Kafka's ACLs do not allow the operation: {type(error).__name__}: {error}"


def connect(client: Callable[..., T], config: ClientConfig, **options: Any) -> T:
    """Create a kafka-python client.

    Args:
        client: Class of the client.
        config: Connection parameters.
        options: Further options of the client.

    Raises:
        SettingsError: The bootstrap servers are malformed.
        InputError: A file named in `security.*` cannot be read.
        BrokerUnavailableError: No broker responds, or authentication failed.
    """
    try:
        servers = split_servers(config.bootstrap_servers)
    except ValueError as error:
        raise SettingsError(f"bootstrap servers {error}") from error
    warn_of_untested_version()
    if config.quiet:
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
    options |= client_options(config.security)
    context: ssl.SSLContext | None = options.get("ssl_context")
    if context is not None:
        check_tls(servers, context)
    raise_auth_failures()
    read_available_bytes()
    close_sockets()
    started_s = time.monotonic()
    try:
        return make_or_close(
            client,
            bootstrap_servers=servers,
            bootstrap_timeout_ms=round(config.wait_s_max * 1000),
            client_id=config.client_id,
            selector=PlainSelector,
            reconnect_backoff_max_ms=_RECONNECT_MS_MAX,
            **options,
        )
    except SaslAuthenticationFailedError as error:
        raise BrokerUnavailableError(
            f"Kafka at {config.bootstrap_servers} rejected the {config.security.mechanism} login: {refusal(error)}"
        ) from error
    except KafkaError as error:
        waited_s = time.monotonic() - started_s
        by = "" if config.security.protocol == "PLAINTEXT" else f" over {config.security.protocol}"
        raise BrokerUnavailableError(
            f"no Kafka broker responded at {config.bootstrap_servers} within {waited_s:.1f} s{by} "
            f"({_bootstrap_faults(servers, context) or type(error).__name__})"
        ) from error


@contextmanager
def broker_errors(client: Any) -> Iterator[None]:
    """Convert a KafkaError of this client into a BrokerUnavailableError that states the cause."""
    try:
        yield
    except AuthorizationError as error:
        raise BrokerUnavailableError(authorization_message(error)) from error
    except KafkaError as error:
        raise BrokerUnavailableError(f"reading from Kafka failed: {why_lost(client, error)}") from error


def why_lost(client: Any, error: Exception) -> str:
    """Explain why a client that had reached a bootstrap server failed."""
    return unreachable(client) or f"{type(error).__name__}: {error}"


def unreachable(client: Any) -> str | None:
    """Explain why a connected client no longer gets responses; None if the brokers can be reached."""
    servers, context = client.config["bootstrap_servers"], client.config["ssl_context"]
    faults = faults_of(servers, partial(answer_fault, context=context))
    if None not in faults.values():
        return f"the bootstrap servers cannot be reached ({_in_words(faults)})"
    if fault := advertised_fault(client):
        return (
            f"none of the addresses that the brokers advertise can be reached from this machine ({fault}); correct "
            "advertised.listeners of the brokers, or make these addresses reachable from this machine"
        )
    return None


def advertised_fault(client: Any) -> str | None:
    """Explain why no address advertised by the brokers can be reached; None if at least one can be reached.

    Call this only for a failing client: after such extra connections, a new consumer on a listener with TLS and SASL
    received nothing (kafka-python 3.0.12; the cause is not known).
    """
    find = partial(connection_fault, context=client.config["ssl_context"])
    faults = faults_of(advertised_servers(client), find)
    if not faults or None in faults.values():
        return None
    return _in_words(faults)


def _in_words(faults: Mapping[str, str | None]) -> str:
    return "; ".join(f"{server}: {fault}" for server, fault in faults.items())


def _bootstrap_faults(servers: Collection[str], context: ssl.SSLContext | None) -> str:
    faults = faults_of(servers, partial(answer_fault, context=context))
    named = (f"{server}: {fault}" if len(servers) > 1 else fault for server, fault in faults.items() if fault)
    return "; ".join(named)
