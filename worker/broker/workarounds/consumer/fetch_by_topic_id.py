"""A topic that was deleted and created again is read from the position in the old topic.

Version: kafka-python 3.0.12
Symptom: It fetches by the name of a topic only (Fetch versions up to 12), so nobody notices that it is another topic.
Workaround: Fetch by the topic's id (version 13, KIP-516): the broker refuses an id that it no longer has.
Shown by: test_a_recreated_topic_is_read_at_the_old_position_by_itself
"""

from typing import Any
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition

_VERSION_WITH_IDS = 13


class FetchByTopicId:
    """From now on this consumer fetches the topics that are bound to an id by that id, where the broker can do it.

    ends: of each partition, by the last answer, also while its records wait to be taken (`highwater` is then behind).
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self.ends: dict[TopicPartition, int] = {}
        self._fetcher = consumer._fetcher
        self._ids: dict[str, UUID] = {}
        self._bindings = 0  # how often ids were bound
        self._sent: dict[Any, int] = {}  # node: the bindings when its fetch under way was made
        self._create, self._handle = self._fetcher._create_fetch_requests, self._fetcher._handle_fetch_response
        self._fetcher._create_fetch_requests = self._create_requests
        self._fetcher._handle_fetch_response = self._handle_response

    def bind(self, topic: str, topic_id: UUID) -> None:
        """Fetch this topic by this id. All that was fetched before, or is on its way, is dropped."""

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
            return  # of the topic before
        if response.API_VERSION >= _VERSION_WITH_IDS:
            names = {topic_id: name for name, topic_id in self._ids.items()}
            for topic in response.responses:
                topic.topic = names[topic.topic_id]
        for topic in response.responses:
            for partition in topic.partitions:
                if partition.high_watermark >= 0:
                    self.ends[TopicPartition(topic.topic, partition.partition_index)] = partition.high_watermark
        self._handle(node, fetch_offsets, send_time, response)


def _drop_fetched(fetcher: Any) -> None:
    """kafka-python tells old records from new ones by their offset alone, which says nothing across two topics."""
    fetcher._completed_fetches.clear()
    fetcher._paused_completed_fetches.clear()
    fetcher._paused_partition_records.clear()
    fetcher._next_partition_records = None
    fetcher._next_in_line_exception_metadata = None
    fetcher._cached_log_truncation = None
    fetcher._session_handlers.clear()
