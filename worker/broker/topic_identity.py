"""Which topic the offsets belong to. A topic that is deleted and created again has the same name and another id."""

from collections.abc import Mapping
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.broker.workarounds.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.contracts.positions import Partition


class TopicIdentity:
    """The id that is read, compared with the one that Kafka has now.

    Before Kafka 2.8 topics have no id: then nothing ever differs. The consumer's thread binds; any thread may ask.
    fetches: of this consumer, one for all its topics.
    """

    def __init__(self, consumer: KafkaConsumer, topic: str, fetches: FetchByTopicId) -> None:
        self.topic = topic
        self._cluster = consumer._cluster
        self._fetches = fetches
        self._bound: UUID | None = None
        self._abandoned: set[UUID] = set()  # a broker that lags behind may still name one of these

    @property
    def id(self) -> str:
        """As it is remembered with committed offsets."""
        return self._bound.hex if self._bound else ""

    @property
    def is_current(self) -> bool:
        """Kafka has the topic that is read, and no other of that name: its offsets may be committed."""
        return self._bound is None or self._bound == self._latest()

    @property
    def is_gone(self) -> bool:
        """The topic that is read no longer exists. False where access rules hide it, since then nobody knows."""
        return not self.is_current and self.topic not in self._cluster.unauthorized_topics

    @property
    def is_recreated(self) -> bool:
        """Kafka has another topic of that name."""
        latest = self._latest()
        return self._bound is not None and latest is not None and latest != self._bound

    def lags(self, next_offsets: Mapping[Partition, int]) -> dict[Partition, int]:
        """How many frames of each partition follow, as far as the last fetch knows."""
        ends = self._fetches.ends
        known = {partition: ends.get(TopicPartition(*partition)) for partition in next_offsets}
        return {p: max(0, end - next_offsets[p]) for p, end in known.items() if end is not None}

    def partition_count(self) -> int:
        return len(self._cluster.partitions_for_topic(self.topic) or ())

    def bind_first(self) -> bool:
        """Read the topic as it is now, where none was read before. False: there is none, or it is another one."""
        if self._bound is None and (latest := self._latest()):
            self._bind(latest)
        return self.partition_count() > 0 and self.is_current

    def bind_recreated(self) -> None:
        """From now on read the topic that has taken the place of the old one."""
        latest = self._latest()
        if latest and self._bound and latest != self._bound:
            self._abandoned.add(self._bound)
            self._bind(latest)

    def _bind(self, topic_id: UUID) -> None:
        self._bound = topic_id
        self._fetches.bind(self.topic, topic_id)

    def _latest(self) -> UUID | None:
        """None: the topic is gone, or has no id."""
        latest: UUID | None = self._cluster.topic_id(self.topic)
        return latest if latest and latest.int and latest not in self._abandoned else None
