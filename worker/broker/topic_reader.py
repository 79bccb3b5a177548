"""Reads whole topics, every partition, as one who looks on: it joins no group, so workers do not notice it."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog
from kafka import KafkaConsumer
from kafka.errors import AuthorizationError, KafkaError, KafkaTimeoutError
from kafka.structs import TopicPartition

from stripwatch.worker.broker.connection import authorization_message, connect, why_lost
from stripwatch.worker.broker.consumers import METADATA_AGE_MS_MAX, require_topics
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.batches.limits import BatchLimits
from stripwatch.worker.broker.workarounds.bounded_consumer import BoundedConsumer
from stripwatch.worker.broker.workarounds.fetch_by_topic_id import FetchByTopicId
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.security import PLAINTEXT, Security
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame_limits import MESSAGE_BYTES_MAX

log = structlog.get_logger()

Starts = Callable[[KafkaConsumer, list[TopicPartition]], None]  # seeks in partitions that are new to it
# The embedded broker waits a fetch out even when data comes, for several partitions: at kafka-python's 500 ms a frame
# waited for 136 ms (median), at 20 for about 10. Apache Kafka answers at once.
FETCH_WAIT_MS = 20
_READER_FETCH_WAIT_MS = 50  # of a reader that has time: fewer requests
_BROKER_S_MAX = 10.0
_FETCH_BYTES_MAX = 8_000_000
# Of a reject or a frame, with room for a topic whose limit was raised; and of a compressed batch, unpacked.
_LIMITS = BatchLimits(record_bytes_max=2 * MESSAGE_BYTES_MAX, batch_bytes_max=3 * MESSAGE_BYTES_MAX)
_POLL_MS = 200
_END_CHECK_S, _END_CHECK_S_MAX = 1.0, 5.0
_PARTITIONS_S = 3.0
_EMPTY_S = 1.0


@contextmanager
def open_topic_consumer(
    settings: Settings, group_id: str | None = None, fetch_bytes_max: int = _FETCH_BYTES_MAX
) -> Iterator[KafkaConsumer]:
    """A consumer that is assigned its partitions by hand; group_id: whose commits it may read and write.

    fetch_bytes_max: of one fetch; a larger record still comes, alone (KIP-74).

    Raises SettingsError, or BrokerUnavailableError where no broker answers.
    """
    consumer = connect(
        BoundedConsumer,
        settings.bootstrap_servers,
        settings.broker.wait_s_max,
        settings.security,
        limits=_LIMITS,
        group_id=group_id,
        client_id="stripwatch-tools",
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # only where what it would read next is gone
        allow_auto_create_topics=False,
        isolation_level="read_committed",
        fetch_max_wait_ms=_READER_FETCH_WAIT_MS,
        metadata_max_age_ms=METADATA_AGE_MS_MAX,
        fetch_max_bytes=fetch_bytes_max,
        max_partition_fetch_bytes=fetch_bytes_max // 4,
    )
    try:
        yield consumer
    finally:
        with suppress(KafkaError):
            consumer.close()


class TopicReader:
    """The records of some topics as they come, and the moment up to which all of them have been read.

    One thread. Partitions that are added later are read from their beginning, and so is a topic that is deleted and
    created again. KafkaErrors pass as BrokerUnavailableError.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        topics: Iterable[str],
        starts: Starts,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.caught_up_at_s: float | None = None  # all that was there at this moment has been read
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
            partitions = self._partitions()
            consumer.assign(partitions)
            starts(consumer, partitions)
            self._ask_ends()

    def poll(self) -> list[Any]:
        """What has come since the last time; waits a moment where there is nothing."""
        with broker_errors(self._consumer):
            self._follow_topics()
            records = [record for batch in self._consumer.poll(timeout_ms=_POLL_MS).values() for record in batch]
            now_s = self._monotonic()
            if records:
                self._read_s = now_s
            if self._is_caught_up(now_s):
                self.caught_up_at_s = self._asked_s
                if now_s - self._asked_s >= _END_CHECK_S and self._all_current():
                    self._ask_ends()
        return records

    def next_offsets(self) -> dict[TopicPartition, int]:
        """Where reading continues."""
        with broker_errors(self._consumer):
            return {tp: self._consumer.position(tp) for tp in self._consumer.assignment()}

    def behind(self) -> set[TopicPartition]:
        """The partitions of which not all has been read that was there when their ends were asked for."""
        with broker_errors(self._consumer):
            assigned = self._consumer.assignment()
            return {tp for tp, end in self._ends.items() if tp in assigned and self._consumer.position(tp) < end}

    def pause_only(self, partitions: set[TopicPartition]) -> None:
        """Read nothing of these until the next call."""
        paused = self._consumer.paused()
        self._consumer.pause(*(partitions & self._consumer.assignment()) - paused)
        self._consumer.resume(*(paused - partitions))

    def _follow_topics(self) -> None:
        recreated = [identity for identity in self._identities if identity.is_recreated]
        for identity in recreated:
            log.error("topic was recreated; reading it from its beginning", topic=identity.topic)
            identity.bind_recreated()
        if not self._all_current():
            return  # a topic is gone: its partitions are kept, since it may come back as it was
        now_s = self._monotonic()
        if recreated or now_s - self._assigned_s >= _PARTITIONS_S:
            self._consumer.assign(self._partitions())
            self._assigned_s = now_s
        if recreated:
            names = {identity.topic for identity in recreated}
            self._consumer.seek_to_beginning(*(tp for tp in self._consumer.assignment() if tp.topic in names))
            self._ask_ends()

    def _is_caught_up(self, now_s: float) -> bool:
        """Past the ends that were asked for; or nothing more comes: markers of transactions are no records."""
        if now_s - max(self._read_s, self._asked_s) >= _EMPTY_S and not self._consumer.paused():
            return True
        return all(self._consumer.position(tp) >= end for tp, end in self._ends.items())

    def _all_current(self) -> bool:
        return all(identity.is_current for identity in self._identities)

    def _ask_ends(self) -> None:
        partitions = list(self._consumer.assignment())
        try:
            self._ends = self._consumer.end_offsets(partitions, timeout_ms=_END_CHECK_S_MAX * 1000)
        except KafkaTimeoutError:
            if self._all_current():
                raise
            return  # a topic was deleted while its ends were asked for
        self._asked_s = self._monotonic()

    def _partitions(self) -> list[TopicPartition]:
        return [
            TopicPartition(t, p) for t in self._topics for p in sorted(self._consumer.partitions_for_topic(t) or ())
        ]


def from_beginning(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
    consumer.seek_to_beginning(*partitions)


def from_last(records: int) -> Starts:
    """As many records of each topic, shared out over its partitions."""

    def seek(consumer: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        for tp in partitions:
            share = records // sum(other.topic == tp.topic for other in partitions)
            consumer.seek(tp, max(begins[tp], ends[tp] - share))

    return seek


@contextmanager
def broker_errors(consumer: KafkaConsumer) -> Iterator[None]:
    """Let a KafkaError of this consumer pass as BrokerUnavailableError that says why."""
    try:
        yield
    except AuthorizationError as error:
        raise BrokerUnavailableError(authorization_message(error)) from error
    except KafkaError as error:
        raise BrokerUnavailableError(f"reading from Kafka failed: {why_lost(consumer, error)}") from error


@contextmanager
def open_reader(bootstrap_servers: str, topics: list[str], security: Security = PLAINTEXT) -> Iterator[KafkaConsumer]:
    """A consumer of these topics from their beginning, in no group. Raises BrokerUnavailableError."""
    consumer = connect(
        BoundedConsumer,
        bootstrap_servers,
        _BROKER_S_MAX,
        security,
        limits=_LIMITS,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        consumer.assign([TopicPartition(t, p) for t in topics for p in sorted(consumer.partitions_for_topic(t))])
        consumer.seek_to_beginning()
        yield consumer
    finally:
        consumer.close()
