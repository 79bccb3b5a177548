"""A workaround: kafka-python 3.0.12 raises what it has found about a position after that position was left.

It asks the broker in the background whether a partition still reaches to the position (KIP-320). If not, the next poll
raises LogTruncationError, also where the consumer was sent elsewhere in between. In a topic that was created again,
whoever follows the error then skips all that the new topic has so far. The day `seek` forgets such errors by itself,
`tests/worker/broker/workarounds/test_stale_truncations.py` fails, and this file can go.
"""

from kafka import KafkaConsumer, TopicPartition


def seek(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    """Read on from offset. What is still to be raised about the position before is forgotten."""
    consumer.seek(partition, offset)  # from now on, answers about another position are dropped

    async def forget_on_network_thread() -> None:
        found = consumer._fetcher._cached_log_truncation
        if found is None:
            return
        found.divergent_offsets.pop(partition, None)
        if not found.divergent_offsets:
            consumer._fetcher._cached_log_truncation = None

    consumer._fetcher._manager.run(forget_on_network_thread)
