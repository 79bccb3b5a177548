"""Broker fixtures. Each broker starts once per session, and only if a test that was chosen needs it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stripwatch.worker.bench import embedded_broker as embedded
from stripwatch.worker.common.errors import SettingsError
from tests.brokers import apache
from tests.brokers.handle import BrokerHandle

# The embedded broker holds a join back for half the session timeout and more (23 s at the default of 45 s); Apache
# Kafka takes no session timeout under 6 s.
EMBEDDED_SESSION_MS = 1_500
APACHE_SESSION_MS = 6_000


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[BrokerHandle]:
    """The embedded broker of the demo; skips where there is none for the platform."""
    with absence_is_a_skip(SettingsError), embedded.embedded_broker() as running:
        yield BrokerHandle("embedded", running.bootstrap_servers, EMBEDDED_SESSION_MS)


@pytest.fixture(scope="session")
def apache_broker() -> Iterator[BrokerHandle]:
    """Apache Kafka: KAFKA_BOOTSTRAP_SERVERS if set, else our own with Java and Maven; skips without either."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield BrokerHandle("apache", address, APACHE_SESSION_MS)
        return
    with absence_is_a_skip(apache.KafkaUnavailableError), apache.apache_broker() as running:
        yield BrokerHandle("apache", running.bootstrap_servers, APACHE_SESSION_MS)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> BrokerHandle:
    """A test that takes this runs on both brokers."""
    handle: BrokerHandle = request.getfixturevalue(f"{request.param}_broker")
    return handle


@contextmanager
def absence_is_a_skip(absence: type[Exception]) -> Iterator[None]:
    """On a laptop a missing broker skips its tests; with CI=true it fails them."""
    try:
        yield
    except absence as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"with CI=true a broker must be there: {error}", pytrace=False)
        pytest.skip(str(error))
