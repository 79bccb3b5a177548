"""A rebalance listener can neither wait nor commit with the public API of the consumer.

Version: kafka-python 3.0.12
Symptom: The listener runs on the consumer's network thread, where `commit` raises. `commit_async` fails if the
    coordinator has to be found first. There is no public way to wait on that thread without blocking it.
Workaround: Await the coroutines that `commit` itself uses.
Shown by: test_kafka_python_raises_on_a_commit_in_a_listener
"""

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata, TopicPartition


async def sleep(consumer: KafkaConsumer, s: float) -> None:
    """Wait on the network thread without blocking it."""
    await consumer._net.sleep(s)


async def commit(consumer: KafkaConsumer, offsets: dict[TopicPartition, OffsetAndMetadata], timeout_ms: int) -> None:
    """Commit offsets; finds the coordinator and retries. Raises KafkaError."""
    await consumer._coordinator._commit_offsets_sync_async(offsets, timeout_ms)
