"""Waiting and committing in a rebalance listener.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata

from stripwatch.worker.broker.workarounds.consumer.rebalance_listener import commit, sleep
from tests.brokers.clients import poll_until
from tests.brokers.handle import BrokerHandle

Action = Callable[[KafkaConsumer, dict[Any, OffsetAndMetadata]], Coroutine[Any, Any, None]]


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Runs an action when partitions are assigned, and records its outcome."""

    def __init__(self, consumer: KafkaConsumer, action: Action) -> None:
        self.outcomes: list[str] = []
        self._consumer = consumer
        self._action = action

    async def on_partitions_assigned(self, assigned: Any) -> None:
        try:
            await self._action(self._consumer, {tp: OffsetAndMetadata(7, "", -1) for tp in assigned})
            self.outcomes.append("done")
        except Exception as error:
            self.outcomes.append(type(error).__name__)

    async def on_partitions_revoked(self, revoked: Any) -> None: ...


def outcome(broker: BrokerHandle, action: Action) -> tuple[str, int | None]:
    """Return the outcome of the action and the offset committed afterwards."""
    topic = broker.new_topic()
    with broker.consumer(group_id=broker.new_name("group")) as consumer:
        listener = _Listener(consumer, action)
        consumer.subscribe([topic], listener=listener)
        consumer.topics()
        poll_until(lambda: bool(listener.outcomes and consumer.assignment()), consumer)
        (partition,) = consumer.assignment()
        return listener.outcomes[0], consumer.committed(partition)


def test_kafka_python_raises_on_a_commit_in_a_listener(embedded_broker: BrokerHandle) -> None:
    async def commit_publicly(consumer: KafkaConsumer, offsets: dict[Any, OffsetAndMetadata]) -> None:
        consumer.commit(offsets)

    assert outcome(embedded_broker, commit_publicly) == ("RuntimeError", None)


def test_a_listener_can_wait_and_commit(embedded_broker: BrokerHandle) -> None:
    async def wait_and_commit(consumer: KafkaConsumer, offsets: dict[Any, OffsetAndMetadata]) -> None:
        await sleep(consumer, 0.001)
        await commit(consumer, offsets, 10_000)

    assert outcome(embedded_broker, wait_and_commit) == ("done", 7)
