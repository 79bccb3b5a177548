"""The late answer to a request for committed offsets that timed out is given to a later request.

Version: kafka-python 3.0.12
Symptom: It keeps an answer that nobody waited for, and gives it to whoever asks next for the same partitions, however
    much later: reading went back to an offset from before, and frames came out twice.
Workaround: Forget such answers before asking.
Shown by: test_the_client_gives_an_old_answer_by_itself
"""

from collections.abc import Collection

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata


def fetch_committed(
    consumer: KafkaConsumer, partitions: Collection[TopicPartition], timeout_ms: int
) -> dict[TopicPartition, OffsetAndMetadata]:
    """What `committed` runs, for several partitions and with their metadata."""
    coordinator = consumer._coordinator
    coordinator._offset_fetch_futures.clear()
    found: dict[TopicPartition, OffsetAndMetadata] = coordinator.fetch_committed_offsets(
        list(partitions), timeout_ms=timeout_ms
    )
    return found
