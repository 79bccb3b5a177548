"""A topic that was deleted and created again is read from the position in the old topic.

Version: kafka-python 3.0.12
Symptom: It fetches only by topic name (Fetch versions up to 12), so it does not notice that the topic is another one.
Workaround: Fetch by topic id (version 13, KIP-516): the broker rejects the id of a topic that was deleted.
Shown by: test_kafka_python_reads_a_recreated_topic_at_the_old_position
"""

from typing import Any
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition

_VERSION_WITH_IDS = 13


class FetchByTopicId:
    """Makes a consumer fetch topics by id once they are bound to an id, if the broker supports it.

    Attributes:
        ends: End offset of each partition, by the last answer. Unlike `highwater`, it is current even while fetched
            records wait to be polled. With read_committed it is the end of what is committed. Another client may
            update it, because there are no answers while the partitions are paused.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self.ends: dict[TopicPartition, int] = {}
        self._fetcher = consumer._fetcher
        self._committed_only = consumer.config["isolation_level"] == "read_committed"
        self._ids: dict[str, UUID] = {}
        self._bindings = 0  # number of calls of bind
        self._sent: dict[Any, int] = {}  # value of _bindings when the pending fetch of a node was created
        self._create, self._handle = self._fetcher._create_fetch_requests, self._fetcher._handle_fetch_response
        self._fetcher._create_fetch_requests = self._create_requests
        self._fetcher._handle_fetch_response = self._handle_response

    def bind(self, topic: str, topic_id: UUID) -> None:
        """Fetch the topic by this id. Records that were fetched before or are on their way are dropped."""

        async def bind_on_network_thread() -> None:
            self._ids[topic] = topic_id
            self._bindings += 1
            self.ends.clear()
            _drop_fetched(self._fetcher)

        self._fetcher._manager.run(bind_on_network_thread)

    def _create_requests(self) -> Any:
        requests = self._create()
        for node, (request, _) in requests.items():
            self._sent[node] = self._bindings
            topics = [*request.topics, *request.forgotten_topics_data]
            if all(topic.topic in self._ids for topic in topics):
                for topic in topics:
                    topic.topic_id = self._ids[topic.topic]
                request._max_version = _VERSION_WITH_IDS
        return requests

    def _handle_response(self, node: Any, fetch_offsets: Any, send_time: float, response: Any) -> None:
        if self._sent.get(node) != self._bindings:
            return  # an answer about the previous topic
        if response.API_VERSION >= _VERSION_WITH_IDS:
            names = {topic_id: name for name, topic_id in self._ids.items()}
            for topic in response.responses:
                topic.topic = names[topic.topic_id]
        for topic in response.responses:
            for partition in topic.partitions:
                end = partition.last_stable_offset if self._committed_only else partition.high_watermark
                if end >= 0:
                    self.ends[TopicPartition(topic.topic, partition.partition_index)] = end
        self._handle(node, fetch_offsets, send_time, response)


def _drop_fetched(fetcher: Any) -> None:
    """Drop fetched records. kafka-python recognizes old records by offset, which does not work across two topics."""
    fetcher._completed_fetches.clear()
    fetcher._paused_completed_fetches.clear()
    fetcher._paused_partition_records.clear()
    fetcher._next_partition_records = None
    fetcher._next_in_line_exception_metadata = None
    fetcher._cached_log_truncation = None
    fetcher._session_handlers.clear()
