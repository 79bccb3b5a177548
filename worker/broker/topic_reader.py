"""Read all partitions of topics without joining a consumer group, so that workers are not affected."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError
from kafka.structs import TopicPartition

from stripwatch.worker.broker.connection import broker_errors
from stripwatch.worker.broker.consumers import all_partitions, require_topics
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.consumer.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.common.errors import BrokerUnavailableError

log = structlog.get_logger()

Starts = Callable[[KafkaConsumer, list[TopicPartition]], None]  # seeks in partitions that are new to it
_POLL_MS = 200
_END_CHECK_S, _END_CHECK_S_MAX = 1.0, 5.0
_PARTITIONS_S = 3.0


class TopicReader:
    """Reads the records of topics, and tracks the time up to which all records have been read.

    Not thread-safe. Partitions that are added later, and topics that are recreated, are read from their beginning.
    KafkaErrors are converted to BrokerUnavailableError.

    Args:
        consumer: A consumer without a group.
        topics: Topics to read.
        starts: Seeks to the start position in new partitions.
        monotonic: Monotonic time in seconds.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        topics: Iterable[str],
        starts: Starts,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.caught_up_at_s: float | None = None  # all records that existed at this time have been read
        self._consumer = consumer
        self._topics = list(topics)
        self._monotonic = monotonic
        self._ends: dict[TopicPartition, int] = {}
        self._asked_s = self._read_s = self._assigned_s = monotonic()
        with broker_errors(consumer):
            require_topics(consumer, self._topics)
            fetches = FetchByTopicId(consumer)
            self._identities = [TopicIdentity(consumer, topic, fetches) for topic in self._topics]
            for identity in self._identities:
                identity.bind_first()
            partitions = all_partitions(consumer, self._topics)
            consumer.assign(partitions)
            starts(consumer, partitions)
            self._ask_ends()

    def poll(self) -> list[Any]:
        """Return the new records, after a short wait if there are none."""
        with broker_errors(self._consumer):
            self._follow_topics()
            records = [record for batch in self._consumer.poll(timeout_ms=_POLL_MS).values() for record in batch]
            now_s = self._monotonic()
            if records:
                self._read_s = now_s
            has_read_all = self._has_read_all()
            if has_read_all:
                self.caught_up_at_s = self._asked_s
            # Also ask if nothing arrived: the end may have moved back, or the broker may be unavailable, which raises.
            is_quiet = now_s - self._read_s >= _END_CHECK_S
            if (has_read_all or is_quiet) and now_s - self._asked_s >= _END_CHECK_S and self._all_current():
                self._ask_ends()
        return records

    def _has_read_all(self) -> bool:
        """Return whether all topics are read to their ends, ignoring deleted topics.

        Raises BrokerUnavailableError if a topic was deleted before it was read to its end for the first time.
        """
        gone = {identity.topic for identity in self._identities if identity.is_gone}
        unread = {tp.topic for tp, end in self._ends.items() if self._consumer.position(tp) < end}
        if self.caught_up_at_s is None and (lost := gone & unread):
            raise BrokerUnavailableError(
                f"topic {', '.join(map(repr, sorted(lost)))} was deleted while it was being read"
            )
        return unread <= gone

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Return the offsets of the next records to read."""
        with broker_errors(self._consumer):
            return {tp: self._consumer.position(tp) for tp in self._consumer.assignment()}

    def behind(self) -> set[TopicPartition]:
        """Return the partitions that have not been read up to the ends that were last requested."""
        with broker_errors(self._consumer):
            assigned = self._consumer.assignment()
            return {tp for tp, end in self._ends.items() if tp in assigned and self._consumer.position(tp) < end}

    def pause_only(self, partitions: set[TopicPartition]) -> None:
        """Pause these partitions and resume all others."""
        paused = self._consumer.paused()
        self._consumer.pause(*(partitions & self._consumer.assignment()) - paused)
        self._consumer.resume(*(paused - partitions))

    def _follow_topics(self) -> None:
        recreated = [identity for identity in self._identities if identity.is_recreated]
        for identity in recreated:
            log.error("topic was recreated; reading it from its beginning", topic=identity.topic)
            identity.bind_recreated()
        if not self._all_current():
            return  # a topic is gone: keep its partitions, because it may come back unchanged
        now_s = self._monotonic()
        if recreated or now_s - self._assigned_s >= _PARTITIONS_S:
            self._consumer.assign(all_partitions(self._consumer, self._topics))
            self._assigned_s = now_s
        if recreated:
            names = {identity.topic for identity in recreated}
            self._consumer.seek_to_beginning(*(tp for tp in self._consumer.assignment() if tp.topic in names))
            self._ask_ends()

    def _all_current(self) -> bool:
        return all(identity.is_current for identity in self._identities)

    def _ask_ends(self) -> None:
        partitions = list(self._consumer.assignment())
        try:
            self._ends = self._consumer.end_offsets(partitions, timeout_ms=_END_CHECK_S_MAX * 1000)
        except KafkaTimeoutError:
            if self._all_current():
                raise
            return  # a topic was deleted during the request
        self._asked_s = self._monotonic()


def from_beginning(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
    consumer.seek_to_beginning(*partitions)


def from_last(records: int) -> Starts:
    """Start at the last records of each topic; their number is divided among its partitions."""

    def seek(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for tp in partitions:
            share = records // sum(other.topic == tp.topic for other in partitions)
            consumer.seek(tp, max(begins[tp], ends[tp] - share))

    return seek
