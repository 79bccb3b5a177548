"""A workaround: a client of kafka-python 3.0.12 that cannot be made leaves its sockets and its selector open.

So each try to reach a broker that is away would cost files, up to the limit of the process. The day it closes them,
`tests/worker/broker/workarounds/test_leaked_clients.py` fails, and this file can go.
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
