"""Requests of a transaction whose connection drops.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from types import SimpleNamespace
from typing import Any

from kafka.errors import KafkaConnectionError
from kafka.producer.sender import Sender
from kafka.producer.transaction_manager import TransactionManager

from stripwatch.worker.broker.workarounds.producer.lost_requests import keep_requests_of


class DroppingClient:
    """Network client that cannot connect to the coordinator."""

    def await_ready(self, *_: Any, **__: Any) -> bool:
        raise KafkaConnectionError("reset by peer")


def send_over(client: DroppingClient, keep: bool) -> list[str]:
    """Return the requests that are still queued after one attempt to send the first."""
    manager = TransactionManager("worker", api_version=(2, 5))
    sender = Sender.__new__(Sender)
    sender._client, sender._transaction_manager = client, manager
    sender._accumulator = SimpleNamespace(has_incomplete=False)
    sender._running, sender._force_close, sender.config = True, False, dict(Sender.DEFAULT_CONFIG)
    manager._transaction_coordinator = "coordinator-1"
    manager.initialize_transactions()
    if keep:
        keep_requests_of(sender, manager)
    assert sender._maybe_send_pending_request()
    return sorted(type(request).__name__ for _, _, request in manager._pending_requests)


def test_puts_a_request_that_was_not_sent_back_in_the_queue() -> None:
    assert send_over(DroppingClient(), keep=True) == ["FindCoordinatorHandler", "InitProducerIdHandler"]


def test_kafka_python_loses_a_request_that_was_not_sent() -> None:
    assert send_over(DroppingClient(), keep=False) == ["FindCoordinatorHandler"]
