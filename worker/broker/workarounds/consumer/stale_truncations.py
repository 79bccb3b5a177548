"""A truncation that was detected at an earlier position is raised after a seek to another position.

Version: kafka-python 3.0.12
Symptom: It asks the broker in the background whether a partition still reaches to the position (KIP-320). If not, the
    next poll raises LogTruncationError, also where the consumer was sent elsewhere in between. In a topic that was
    created again, whoever follows the error skips all that the new topic has so far.
Workaround: A `seek` that forgets such errors.
Shown by: test_the_client_raises_it_after_a_seek_by_itself
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
