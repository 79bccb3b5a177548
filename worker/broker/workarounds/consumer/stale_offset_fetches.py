"""The late answer to a request for committed offsets that timed out is given to a later request.

Version: kafka-python 3.0.12
Symptom: It keeps an answer that came too late and returns it for the next request with the same partitions, no matter
    how much later: reading went back to an earlier offset, and results were repeated.
Workaround: Discard such answers before each request.
Shown by: test_kafka_python_returns_a_stale_offset
"""

from collections.abc import Collection

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata


def fetch_committed(
    consumer: KafkaConsumer, partitions: Collection[TopicPartition], timeout_ms: int
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Fetch committed offsets of several partitions with their metadata. Raises KafkaError."""
    coordinator = consumer._coordinator
    coordinator._offset_fetch_futures.clear()
    found: dict[TopicPartition, OffsetAndMetadata] = coordinator.fetch_committed_offsets(
        list(partitions), timeout_ms=timeout_ms
    )
    return found
