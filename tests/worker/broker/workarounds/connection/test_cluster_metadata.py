"""Cluster metadata of clients. `tests/brokers/test_advertised.py` tests the advertised addresses.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.cluster import ClusterMetadata

from stripwatch.worker.broker.workarounds.connection.cluster_metadata import advertised_servers, cluster_metadata
from tests.brokers.handle import BrokerHandle


@pytest.fixture(params=[KafkaConsumer, KafkaProducer, KafkaAdminClient])
def client(request: pytest.FixtureRequest, embedded_broker: BrokerHandle) -> Iterator[Any]:
    client = request.param(bootstrap_servers=embedded_broker.bootstrap_servers)
    yield client
    client.close()


def test_kafka_python_clients_do_not_expose_their_metadata(client: Any) -> None:
    public = [getattr(client, name, None) for name in dir(client) if not name.startswith("_")]
    assert not any(isinstance(value, ClusterMetadata) for value in public)


def test_returns_the_brokers_of_each_kind_of_client(embedded_broker: BrokerHandle, client: Any) -> None:
    assert isinstance(cluster_metadata(client), ClusterMetadata)
    assert advertised_servers(client) == [embedded_broker.bootstrap_servers]
