"""A truncation that was detected at an earlier position is raised after a seek to another position.

Version: kafka-python 3.0.12
Symptom: It checks in the background whether a partition still reaches to the position (KIP-320). If not, the next poll
    raises LogTruncationError, even if the consumer has moved to another position. In a recreated topic, a caller that
    follows the error skips everything that the new topic has so far.
Workaround: Discard such errors in `seek`.
Shown by: test_kafka_python_raises_a_truncation_after_a_seek
"""

from kafka import KafkaConsumer, TopicPartition


def seek(consumer: KafkaConsumer, partition: TopicPartition, offset: int) -> None:
    """Continue reading at `offset`, and discard a truncation error about the previous position."""
    consumer.seek(partition, offset)  # first, because answers about another position are dropped from now on

    async def forget_on_network_thread() -> None:
        found = consumer._fetcher._cached_log_truncation
        if found is None:
            return
        found.divergent_offsets.pop(partition, None)
        if not found.divergent_offsets:
            consumer._fetcher._cached_log_truncation = None

    consumer._fetcher._manager.run(forget_on_network_thread)
