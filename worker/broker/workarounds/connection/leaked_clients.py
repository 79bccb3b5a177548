"""A client whose constructor fails leaves its sockets and its selector open.

Version: kafka-python 3.0.12
Symptom: Each try to reach a broker that is away costs files, up to the limit of the process.
Workaround: Make the connections for the client, and close them where its constructor raises.
Shown by: test_a_producer_that_cannot_be_made_leaves_its_connections_open_by_itself
"""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.net.compat import KafkaNetClient

T = TypeVar("T")


def make_or_close(client: Callable[..., T], **options: Any) -> T:
    """Call it; where it raises, close what it has opened. client: makes a consumer, a producer or an admin client."""
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
