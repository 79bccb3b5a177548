"""What a client knows of the cluster. The test that ends in `_by_itself` fails when the workaround can go.

`tests/brokers/test_advertised.py` has the addresses that brokers advertise.
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


def test_no_client_shows_its_metadata_by_itself(client: Any) -> None:
    public = [getattr(client, name, None) for name in dir(client) if not name.startswith("_")]
    assert not any(isinstance(value, ClusterMetadata) for value in public)


def test_each_client_knows_its_brokers(embedded_broker: BrokerHandle, client: Any) -> None:
    assert isinstance(cluster_metadata(client), ClusterMetadata)
    assert advertised_servers(client) == [embedded_broker.bootstrap_servers]
