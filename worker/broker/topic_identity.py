"""Identity of the topic that offsets belong to. A recreated topic has the same name but another id."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from kafka import KafkaConsumer, TopicPartition

from stripwatch.worker.broker.workarounds.connection.cluster_metadata import cluster_metadata
from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.contracts.positions import Partition

AGREED_S = 2.0  # longer than a broker with outdated metadata needs to catch up
_CHECK_S = 0.02


class TopicIdentity:
    """Compares the id of the topic that is read with the id that Kafka currently reports.

    A broker with outdated metadata may not know an existing topic, or may report its predecessor. Therefore a topic
    counts as gone only after all responses for AGREED_S have agreed, from any broker.

    Before Kafka 2.8 topics have no id, so a difference is never detected. The consumer's thread binds; any thread may
    read. fetches: shared by all topics of the consumer.
    """

    def __init__(self, consumer: KafkaConsumer, topic: str, fetches: FetchByTopicId) -> None:
        self.topic = topic
        self._cluster = cluster_metadata(consumer)
        self._fetches = fetches
        self._bound: UUID | None = None
        self._abandoned: set[UUID] = set()  # ids that a broker with outdated metadata may still report
        self._missing_since_s: float | None = None
        self._missing_for_s = 0.0  # from the first to the last response that agree
        self._cluster.add_listener(self._compare)

    @property
    def id(self) -> str:
        """Id as stored with committed offsets; empty without one."""
        return self._bound.hex if self._bound else ""

    @property
    def is_current(self) -> bool:
        """Whether Kafka still has the topic that is read, so that its offsets may be committed."""
        return self._bound is None or self._bound == self._latest()

    @property
    def is_gone(self) -> bool:
        """Whether the topic that is read no longer exists. False if ACLs hide it, because that is then unknown."""
        return not self.is_current and self._missing_for_s >= AGREED_S and not self._is_hidden

    @property
    def is_doubtful(self) -> bool:
        """Whether some broker does not know the topic that is read; this is resolved within AGREED_S."""
        return not (self.is_current or self.is_gone or self._is_hidden)

    @property
    def is_recreated(self) -> bool:
        """Whether Kafka has another topic of that name in place of the one that is read."""
        return self.is_gone and self._latest() is not None

    def confirm_gone(self, topic: str) -> bool:
        """Return whether a topic that was unknown in some response is really gone according to the metadata."""
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
        """Return the number of frames that follow in each partition, by the newest known ends."""
        ends = self._fetches.ends
        known = {partition: ends.get(TopicPartition(*partition)) for partition in next_offsets}
        return {p: max(0, end - next_offsets[p]) for p, end in known.items() if end is not None}

    def note_ends(self, ends: Mapping[TopicPartition, int], topic_id: str) -> None:
        """Store ends of partitions that another client was told. topic_id: `id` when it asked; ignored if outdated.

        A lower end than that of a fetch is ignored too: the embedded broker reports the start of the last batch.
        """
        known = self._fetches.ends
        if topic_id == self.id:
            known.update({partition: max(end, known.get(partition, 0)) for partition, end in ends.items()})

    def partition_count(self) -> int:
        return len(self._cluster.partitions_for_topic(self.topic) or ())

    def bind_first(self) -> bool:
        """Bind to the current topic if none is bound yet. False: the topic does not exist, or another one is bound."""
        if self._bound is None and (latest := self._latest()):
            self._bind(latest)
        return self.partition_count() > 0 and self.is_current

    def bind_recreated(self) -> None:
        """Bind to the topic that has replaced the old one."""
        latest = self._latest()
        if latest and self._bound and latest != self._bound:
            self._abandoned.add(self._bound)
            self._bind(latest)

    @property
    def _is_hidden(self) -> bool:
        """Whether ACLs hide the topic."""
        return self.topic in self._cluster.unauthorized_topics

    def _compare(self, cluster: Any) -> None:
        """Compare ids with each metadata response. Called on the network thread."""
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
        """Return the current id; None if the topic is gone or has no id."""
        latest: UUID | None = self._cluster.topic_id(self.topic)
        return latest if latest and latest.int and latest not in self._abandoned else None
