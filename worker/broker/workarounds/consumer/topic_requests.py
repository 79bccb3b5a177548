"""A consumer offers no way to ask whether topics exist without blocking until the answer.

Version: kafka-python 3.0.12
Symptom: `topics` and `partitions_for_topic` block until Kafka has answered: the consumer's thread, which must poll.
Workaround: Send the request on the consumer's own connection.
Shown by: test_the_answer_is_waited_for_by_itself
"""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer
from kafka.future import Future
from kafka.protocol.metadata import MetadataRequest


def request_topics(consumer: KafkaConsumer, topics: Sequence[str]) -> Future:
    """The MetadataResponse to come, or the KafkaError. Creates no topic."""
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics],
        allow_auto_topic_creation=False,
        include_cluster_authorized_operations=False,
        include_topic_authorized_operations=False,
    )

    async def send() -> Any:
        return await consumer._manager.send(request)

    return consumer._manager.call_soon(send)
