"""Clients that cannot reach a broker.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from stripwatch.worker.broker.workarounds.connection import leaked_clients
from stripwatch.worker.broker.workarounds.connection.leaked_clients import make_or_close
from stripwatch.worker.common.process.ports import free_port


class Opened(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """Network client that records its instances."""

    all: list["Opened"] = []  # noqa: RUF012 - replaced for each test

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.all.append(self)


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Opened]:
    monkeypatch.setattr(Opened, "all", [])
    monkeypatch.setattr(leaked_clients, "KafkaNetClient", Opened)
    return Opened.all


def nowhere() -> dict[str, Any]:
    return {"bootstrap_servers": f"127.0.0.1:{free_port()}", "bootstrap_timeout_ms": 50}


def test_kafka_python_leaks_the_connections_of_a_failed_producer(opened: list[Opened]) -> None:
    with pytest.raises(KafkaError):
        KafkaProducer(kafka_client=Opened, **nowhere())
    (connections,) = opened
    assert not connections._net._closed
    connections.close()


@pytest.mark.parametrize("client", [KafkaProducer, KafkaConsumer, KafkaAdminClient])
def test_closes_the_connections_of_a_failed_client(client: Any, opened: list[Opened]) -> None:
    with pytest.raises(KafkaError):
        make_or_close(client, **nowhere())
    (connections,) = opened
    assert connections._net._closed
