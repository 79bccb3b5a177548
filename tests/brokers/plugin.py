"""Broker fixtures. Each broker starts once per session, and only if a selected test needs it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from stripwatch.worker.bench import embedded_broker as embedded
from stripwatch.worker.common.errors import SettingsError
from tests.brokers import apache
from tests.brokers.handle import BrokerHandle

# The embedded broker delays a join by more than half the session timeout (23 s at the default of 45 s). Apache Kafka
# accepts no session timeout below 6 s.
EMBEDDED_SESSION_MS = 1_500
APACHE_SESSION_MS = 6_000


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[BrokerHandle]:
    """The embedded broker of the demo. Skips tests on platforms without it."""
    with absence_is_a_skip(SettingsError), embedded.embedded_broker() as running:
        yield BrokerHandle("embedded", running.bootstrap_servers, EMBEDDED_SESSION_MS)


@pytest.fixture(scope="session")
def apache_broker() -> Iterator[BrokerHandle]:
    """Apache Kafka at KAFKA_BOOTSTRAP_SERVERS, or started with Java and Maven. Skips tests without either."""
    if address := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield BrokerHandle("apache", address, APACHE_SESSION_MS)
        return
    with absence_is_a_skip(apache.KafkaUnavailableError), apache.apache_broker() as running:
        yield BrokerHandle("apache", running.bootstrap_servers, APACHE_SESSION_MS)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> BrokerHandle:
    """Both brokers: a test with this fixture runs on each."""
    handle: BrokerHandle = request.getfixturevalue(f"{request.param}_broker")
    return handle


@contextmanager
def absence_is_a_skip(absence: type[Exception]) -> Iterator[None]:
    """Skip tests whose broker is not available, or fail them with CI=true."""
    try:
        yield
    except absence as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"with CI=true a broker must be available: {error}", pytrace=False)
        pytest.skip(str(error))
