"""A rebalance listener can neither wait nor commit with the public API of the consumer.

Version: kafka-python 3.0.12
Symptom: The listener runs on the consumer's network thread, where `commit` raises. `commit_async` gives up where the
    coordinator has to be found first. There is no public way to wait on that thread without blocking it.
Workaround: What `commit` itself runs, as coroutines.
Shown by: test_a_listener_cannot_commit_by_itself
"""

from kafka import KafkaConsumer
from kafka.structs import OffsetAndMetadata, TopicPartition


async def sleep(consumer: KafkaConsumer, s: float) -> None:
    await consumer._net.sleep(s)


async def commit(consumer: KafkaConsumer, offsets: dict[TopicPartition, OffsetAndMetadata], timeout_ms: int) -> None:
    """It finds the coordinator and tries again. Raises KafkaError."""
    await consumer._coordinator._commit_offsets_sync_async(offsets, timeout_ms)
