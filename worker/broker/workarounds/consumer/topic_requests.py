"""A consumer offers no way to ask whether topics exist without blocking until the answer.

Version: kafka-python 3.0.12
Symptom: `topics` and `partitions_for_topic` block the consumer's thread, which must poll, until Kafka has answered.
Workaround: Send the request on the consumer's own connection.
Shown by: test_kafka_python_blocks_until_kafka_answers
"""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.future import Future
from kafka.protocol.metadata import MetadataRequest


def request_topics(consumer: KafkaConsumer, topics: Sequence[str]) -> Future:
    """Request metadata without creating topics, and return a future of the MetadataResponse or KafkaError."""
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics],
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=False,
        include_topic_authorized_operations=False,
    )

    async def send() -> Any:
        return await consumer._manager.send(request)

    return consumer._manager.call_soon(send)
