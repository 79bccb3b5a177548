"""kafka-python 3.0.12 does not say which address of a broker it cannot reach.

A broker answers at a bootstrap server with the addresses that clients must use from then on (`advertised.listeners`).
Where none of these can be reached, kafka-python raises "DNS Resolution failure" or "111 ECONNREFUSED" without the
address, and offers no public way to learn it.
"""

from typing import Any

from kafka import KafkaProducer


def advertised_servers(client: Any) -> list[str]:
    """The brokers' own addresses, as HOST:PORT, that a consumer, producer or admin client has learned so far."""
    cluster = client._metadata if isinstance(client, KafkaProducer) else client._manager.cluster
    return sorted({_server(broker.host, broker.port) for broker in cluster.brokers()})


def _server(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
