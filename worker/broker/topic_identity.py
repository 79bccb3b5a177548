"""Which topic the offsets belong to. A topic that is deleted and created again has the same name and another id."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.broker.workarounds.connection.cluster_metadata import cluster_metadata
from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.contracts.positions import Partition

AGREED_S = 2.0  # a broker that has just started, or whose metadata are behind, catches up sooner
_CHECK_S = 0.02


class TopicIdentity:
    """The id that is read, compared with the one that Kafka has now.

    A broker whose metadata are behind may not know a topic that exists, or may name the one before it. So a topic
    counts as gone only when each answer of AGREED_S has said so, whichever broker it came from.

    Before Kafka 2.8 topics have no id: then nothing ever differs. The consumer's thread binds; any thread may ask.
    fetches: of this consumer, one for all its topics.
    """

    def __init__(self, consumer: KafkaConsumer, topic: str, fetches: FetchByTopicId) -> None:
        self.topic = topic
        self._cluster = cluster_metadata(consumer)
        self._fetches = fetches
        self._bound: UUID | None = None
        self._abandoned: set[UUID] = set()  # a broker that lags behind may still name one of these
        self._missing_since_s: float | None = None
        self._missing_for_s = 0.0  # from the first of the answers that agree to the last one
        self._cluster.add_listener(self._compare)

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
        return not self.is_current and self._missing_for_s >= AGREED_S and not self._is_hidden

    @property
    def is_doubtful(self) -> bool:
        """Some broker does not know the topic that is read; soon it is back, or gone."""
        return not (self.is_current or self.is_gone or self._is_hidden)

    @property
    def is_recreated(self) -> bool:
        """Kafka has another topic of that name, and the one that is read is gone."""
        return self.is_gone and self._latest() is not None

    def confirm_gone(self, topic: str) -> bool:
        """Whether a topic is gone that Kafka does not know in some answer: the metadata have to say so too."""
        if topic != self.topic:
            return False
        if self.is_current:
            self._cluster.request_update()
        return self.is_gone

    def await_decision(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while self.is_doubtful and time.monotonic() < deadline_s:
            time.sleep(_CHECK_S)

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

    @property
    def _is_hidden(self) -> bool:
        """By access rules."""
        return self.topic in self._cluster.unauthorized_topics

    def _compare(self, cluster: Any) -> None:
        """The network thread calls, with each answer about topics."""
        if self.is_current or self._is_hidden:
            self._missing_since_s, self._missing_for_s = None, 0.0
            return
        now_s = time.monotonic()
        if self._missing_since_s is None:
            self._missing_since_s = now_s
        self._missing_for_s = now_s - self._missing_since_s
        if self._missing_for_s < AGREED_S:
            cluster.request_update()

    def _bind(self, topic_id: UUID) -> None:
        self._bound = topic_id
        self._missing_since_s, self._missing_for_s = None, 0.0
        self._fetches.bind(self.topic, topic_id)

    def _latest(self) -> UUID | None:
        """None: the topic is gone, or has no id."""
        latest: UUID | None = self._cluster.topic_id(self.topic)
        return latest if latest and latest.int and latest not in self._abandoned else None
