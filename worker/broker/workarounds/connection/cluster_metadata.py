"""A client does not expose its cluster metadata: ids, leaders, and the addresses of brokers.

Version: kafka-python 3.0.12
Symptom: Where none of the addresses that brokers advertise can be reached, the error names no address. No client has a
    public attribute for its metadata.
Workaround: Read the metadata where each client keeps it.
Shown by: test_no_client_shows_its_metadata_by_itself
"""

from typing import Any

from kafka import KafkaProducer
from kafka.cluster import ClusterMetadata


def cluster_metadata(client: Any) -> ClusterMetadata:
    """Of a consumer, a producer or an admin client."""
    return client._metadata if isinstance(client, KafkaProducer) else client._manager.cluster


def advertised_servers(client: Any) -> list[str]:
    """The brokers' own addresses, as HOST:PORT, that a client has learned so far (`advertised.listeners`)."""
    return sorted({_server(broker.host, broker.port) for broker in cluster_metadata(client).brokers()})


def _server(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
