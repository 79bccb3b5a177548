"""A workaround: kafka-python 3.0.12 waits for the end of a transaction, and for its offsets, without limit.

Java gives up after max.block.ms. The day kafka-python does too,
`tests/worker/broker/workarounds/test_endless_commits.py` fails, and this file can go.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError


def bound_commits(producer: KafkaProducer, timeout_s: float) -> None:
    """From now on these calls of this producer raise KafkaTimeoutError after that time."""
    manager = producer._transaction_manager
    for name in ("begin_commit", "send_offsets_to_transaction"):
        setattr(manager, name, partial(_with_limit, getattr(manager, name), timeout_s))


def _with_limit(begin: Callable[..., Any], timeout_s: float, *arguments: Any) -> Any:
    result = begin(*arguments)
    wait = result.wait

    def wait_in_time(timeout_ms: float | None = None) -> bool:
        if not wait(1000 * timeout_s if timeout_ms is None else timeout_ms):
            raise KafkaTimeoutError(f"Kafka has not answered for {timeout_s:g} s")
        return True

    result.wait = wait_in_time
    return result
