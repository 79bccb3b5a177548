"""A client whose constructor fails leaves its sockets and its selector open.

Version: kafka-python 3.0.12
Symptom: Each attempt to reach a broker that is away leaks file descriptors, up to the limit of the process.
Workaround: Open the connections for the client, and close them if its constructor raises.
Shown by: test_kafka_python_leaks_the_connections_of_a_failed_producer
"""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.net.compat import KafkaNetClient

T = TypeVar("T")


def make_or_close(client: Callable[..., T], **options: Any) -> T:
    """Create a client, and close its connections if its constructor raises. client: class of the client."""
    opened: list[KafkaNetClient] = []

    def open_connections(**config: Any) -> KafkaNetClient:
        opened.append(KafkaNetClient(**config))
        return opened[-1]

    try:
        return client(kafka_client=open_connections, **options)
    except BaseException:
        for connections in opened:
            connections.close()
        raise
