"""A client does not expose its cluster metadata: ids, leaders, and the addresses of brokers.

Version: kafka-python 3.0.12
Symptom: If none of the addresses advertised by the brokers can be reached, the error names no address. No client has a
    public attribute for its metadata.
Workaround: Read the metadata from the private attribute of each kind of client.
Shown by: test_kafka_python_clients_do_not_expose_their_metadata
"""

from typing import Any

from kafka import KafkaProducer
from kafka.cluster import ClusterMetadata


def cluster_metadata(client: Any) -> ClusterMetadata:
    """Return the cluster metadata of a consumer, a producer or an admin client."""
    return client._metadata if isinstance(client, KafkaProducer) else client._manager.cluster


def advertised_servers(client: Any) -> list[str]:
    """Return the addresses (`advertised.listeners`) of the brokers that a client knows so far, as HOST:PORT."""
    return sorted({_server(broker.host, broker.port) for broker in cluster_metadata(client).brokers()})


def _server(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
