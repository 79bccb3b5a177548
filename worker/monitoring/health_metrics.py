"""Metrics of the health port itself."""

from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

from stripwatch.worker.monitoring.bounded_server import CloseReason


def connections_closed(registry: CollectorRegistry | None) -> Counter:
    """Create the counter of closed connections of a health port.

    A supervisor has its own counter, which it exposes together with those of its workers.

    Label `reason`: `too_many` (the oldest connection was closed to make room for a new one), `timeout` (the connection
    was open for too long) and `handshake` (the TLS handshake failed). With the first two, a client opens connections
    without sending a request, or does not read the response. The log names its address.
    """
    counter = Counter(
        "stripwatch_health_connections_closed",
        "Connections to the health port closed before the client received its response.",
        ["reason"],
        registry=registry,
    )
    for reason in get_args(CloseReason):  # Prometheus sees no increase in a series that begins at 1
        counter.labels(reason)
    return counter


def certificate_expiry(registry: CollectorRegistry) -> Gauge:
    """Create the certificate expiry gauge. Only a health port that uses TLS has it."""
    return Gauge(
        "stripwatch_health_certificate_expiry_timestamp_seconds",
        "Unix time at which the TLS certificate of the health port expires.",
        registry=registry,
    )
