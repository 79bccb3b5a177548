"""Reads frames from Kafka. One thread owns the Kafka consumer, and no other thread may use it."""

import itertools
import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from kafka import KafkaConsumer
from kafka.errors import (
    AuthorizationError,
    CommitFailedError,
    CorruptRecordError,
    FencedInstanceIdError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    RetriableError,
)
from kafka.structs import MemberState, OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.connection import authorization_message
from stripwatch.worker.broker.consumers import cluster_id, from_kafka, from_kafka_offsets, list_topics, to_kafka
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.consumer.bounded_consumer import BoundedConsumer
from stripwatch.worker.broker.workarounds.consumer.lost_membership import (
    become_dynamic,
    is_fenced,
    leave_at_close,
    patch_lost_membership,
)
from stripwatch.worker.common.errors import BrokerUnavailableError, FencedError
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.lag import LagMonitor
from stripwatch.worker.pipeline.consume.liveness import BrokerLiveness
from stripwatch.worker.pipeline.consume.memory_shortage import retry_on_memory_error
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.output_topics import OutputTopics
from stripwatch.worker.pipeline.consume.rebalance import DrainOnRevoke
from stripwatch.worker.pipeline.consume.recreated_topic import RecreatedTopic, count_unread
from stripwatch.worker.pipeline.consume.start_positions import StartPositions

log = structlog.get_logger()

_POLL_MS = 200
_NO_ROOM_S = 0.5
_SUSPENDED_S = 0.05
_RETRY_S = 0.2
_RECORDS_MAX = 64


@dataclass(frozen=True, slots=True)
class ConsumerConfig:
    """Settings of a `FrameConsumer`.

    commits: False if the offsets are committed with the results in one transaction. start_at: `earliest` or `latest`,
    where a group without committed offsets begins. keeps_name: if another worker joins with the same instance_id, True
    ends this worker with an error, and False lets it continue as a dynamic member. output_topics: topics that the
    worker must be able to write to.
    """

    commit_s: float = 0.5
    drain_s_max: float = 20
    away_s_max: float = 60
    start_at: str = "earliest"
    commits: bool = True
    keeps_name: bool = True
    output_topics: tuple[str, ...] = ()


class FrameSink(Protocol):
    """Receiver of frames. It is implemented by `Pipeline`, which this package may not import."""

    def take(self, frame: Frame) -> None: ...


class FrameConsumer:
    """Polls while there is room, commits settled offsets, and pauses the partitions while there is no room.

    consumer: not subscribed, with auto-commit off. topic: the identity of the topic as this consumer sees it.
    """

    def __init__(
        self,
        consumer: BoundedConsumer,
        topic: TopicIdentity,
        tracker: OffsetTracker,
        limiter: InFlightLimiter,
        metrics: Metrics,
        config: ConsumerConfig,
        pipeline: FrameSink,
        lag: LagMonitor,
    ) -> None:
        self._consumer = consumer
        self._tracker = tracker
        self._limiter = limiter
        self._metrics = metrics
        self._config = config
        self._pipeline = pipeline
        self._lag = lag
        self._cluster = cluster_id(consumer)
        self._stopping = threading.Event()
        self._commit_due_s = 0.0
        self._poll_was_full = False  # the last poll returned the maximum, so the next one needs no request
        self.turns = 0  # iterations of the loop, by which a call to Kafka that hangs is noticed
        self.paused = False  # True while the partitions are paused because the worker is full
        consumer.faults.report = lambda fault: metrics.batch_faults.labels(fault).inc()
        self._topic = topic
        self._start_positions = StartPositions(consumer, tracker, metrics, self._topic, config.start_at)
        self._recreated = RecreatedTopic(self._topic, tracker, self._start_positions, metrics, config.drain_s_max)
        self._output_topics = OutputTopics(consumer, config.output_topics, metrics)
        self._liveness = BrokerLiveness(consumer, topic.topic, config.away_s_max, metrics)
        self._listener = DrainOnRevoke(consumer, tracker, metrics, self._topic, config.drain_s_max, config.commits)
        patch_lost_membership(consumer)
        consumer.subscribe([topic.topic], listener=self._listener)
        # Otherwise kafka-python 3.0.12 may join before it knows the topic. It then assigns no partition at all, or
        # takes the metadata that arrives a moment later for a change, and the whole group rebalances once more.
        list_topics(consumer, config.away_s_max)

    @property
    def assigned(self) -> bool:
        """Return whether the group is stable and every assigned partition has its start position.

        The assignment may be empty. With start_at = "latest", a frame sent before the position is set would be skipped.
        During a rebalance kafka-python 3.0.12 fetches nothing, not even from partitions that the worker keeps.
        """
        if not self._listener.assigned or self._consumer.group_metadata().state != MemberState.STABLE:
            return False
        positioned = set(self._tracker.partitions())
        return all(Partition(*partition) in positioned for partition in self._consumer.assignment())

    @property
    def connected(self) -> bool:
        """Return whether a broker connection is open and data was received recently."""
        return self._liveness.broker_alive and connection_count(self._consumer) > 0

    @property
    def topic_readable(self) -> bool:
        """Return whether the topic exists and each of its partitions has a leader."""
        return self._liveness.topic_readable

    @property
    def unwritable_topics(self) -> tuple[str, ...]:
        """The output topics that do not exist or have a partition without a leader."""
        return self._output_topics.unwritable

    def run(self) -> None:
        """Read frames until `stop` is called.

        Raises BrokerUnavailableError, or FencedError if another worker has taken an instance_id that must be kept.
        """
        try:
            while not self._stopping.is_set():
                self.turns += 1
                self._liveness.check()
                self._output_topics.check()
                try:
                    self._step()
                except FencedInstanceIdError as error:
                    self._handle_fenced(error)
        except AuthorizationError as error:
            raise BrokerUnavailableError(authorization_message(error)) from error
        except KafkaError as error:
            raise BrokerUnavailableError(f"cannot read frames: {type(error).__name__}: {error}") from error

    def stop(self) -> None:
        """Stop reading frames. May be called from any thread or from a signal handler."""
        self._stopping.set()

    def close(self, timeout_s: float) -> None:
        """Commit settled offsets and leave the group.

        Call it last, because its heartbeats keep the membership until then.
        """
        self._topic.await_decision(timeout_s)
        try:
            offsets = self._tracker.committable()
            if offsets and self._config.commits and self._topic.is_current:
                self._consumer.commit(to_kafka(offsets), timeout_ms=round(timeout_s * 1000))
                self._tracker.committed(offsets)
        except KafkaError as error:
            log.warning("final commit failed; some frames will be inspected again", error=str(error))
        remainders = self._tracker.abandon()  # open frames are left to the next owner
        if self._topic.is_gone:
            count_unread(self._topic, remainders, self._metrics)
        leave_at_close(self._consumer)  # also as a static member, so that its partitions are reassigned at once
        try:
            self._consumer.close(autocommit=False, timeout_ms=round(timeout_s * 1000))
        except KafkaError as error:
            log.warning(
                "could not leave the group; its partitions are reassigned after the session timeout", error=str(error)
            )

    def _step(self) -> None:
        if is_fenced(self._consumer):
            raise FencedInstanceIdError
        try:
            self._recreated.follow()
            self._commit_if_due()
            records = self._poll()
        except NoOffsetForPartitionError:  # a partition was just assigned
            records = {}
        except (OffsetOutOfRangeError, LogTruncationError) as error:
            self._move_position(error)
            records = {}
        except (
            RetriableError,
            CommitFailedError,
            RebalanceInProgressError,
            CorruptRecordError,
        ) as error:  # BrokerLiveness decides for how long
            log.warning("read failed; retrying", error=f"{type(error).__name__}: {error}")
            self._stopping.wait(_RETRY_S)
            records = {}
        for record in itertools.chain.from_iterable(records.values()):
            if self._stopping.is_set():  # decoding the remainder could take seconds; those frames are read again
                return
            self._take_record(record)
        self._lag.show()

    def _handle_fenced(self, error: FencedInstanceIdError) -> None:
        """Another worker has joined with this one's instance_id.

        Unless the name must be kept, continue as a dynamic member.

        If both workers insisted on the name, they would end each other in turn, which would stop the line.
        """
        if self._config.keeps_name:
            raise FencedError("another worker joined the consumer group with the instance_id of this worker") from error
        if not become_dynamic(self._consumer):
            return
        self._metrics.instance_ids_taken.inc()
        log.error(
            "another worker joined the consumer group with the instance_id of this worker; continuing as a dynamic "
            "member. Set a unique instance_id for each worker, or none"
        )

    def _move_position(self, error: OffsetOutOfRangeError | LogTruncationError) -> None:
        if not self._topic.is_current:
            return  # the offset belongs to the old topic, and all partitions are about to be reassigned
        if isinstance(error, OffsetOutOfRangeError):
            self._start_positions.skip_deleted(error.args[0])
        else:
            self._start_positions.follow_truncation(error.divergent_offsets)

    def _poll(self) -> dict[TopicPartition, list[Any]]:
        """Poll once.

        Also poll when there is no room, because otherwise the group would consider this worker dead or wait for it to
        join.
        """
        joining = self._consumer.group_metadata().state != MemberState.STABLE
        if not self._poll_was_full:
            self._limiter.wait_to_coalesce()
        room = self._limiter.wait_for_room(0 if joining else _NO_ROOM_S)
        if self._tracker.suspended or self._recreated.draining:
            room = 0
            self._stopping.wait(_SUSPENDED_S)
        else:
            self._start_positions.seek_assigned()
        self.paused = room == 0
        if room and (paused := self._consumer.paused()):
            self._consumer.resume(*paused)
        elif not room:
            self._consumer.pause(*self._consumer.assignment())
        wanted = min(room, _RECORDS_MAX) or 1
        self._consumer.poll_bytes_max = self._limiter.bytes_left
        timeout_ms = _POLL_MS if room or joining else 0
        records: dict[TopicPartition, list[Any]] = retry_on_memory_error(
            lambda: self._consumer.poll(timeout_ms=timeout_ms, max_records=wanted),
            "reading a record batch",
            self._metrics.memory_shortages,
        )
        self._poll_was_full = sum(map(len, records.values())) == wanted
        return records

    def _take_record(self, kafka_record: object) -> None:
        frame = read_record(from_kafka(kafka_record), self._cluster, time.monotonic())
        if not self._tracker.register(frame.position):
            # the partition was revoked after the poll or has no start position yet; the frame was not committed and is
            # read again
            return
        self._metrics.count_frame(frame.camera, is_replay=frame.replay_of is not None)
        for header in frame.faults:
            self._metrics.header_faults.labels(header).inc()
        if frame.faults:
            log.warning("malformed frame headers", frame=frame.id, camera=frame.camera, headers=frame.faults)
        self._limiter.acquire(len(frame.encoded))
        self._pipeline.take(frame)

    def _commit_if_due(self) -> None:
        now_s = time.monotonic()
        if now_s < self._commit_due_s or not self._config.commits or not self._topic.is_current:
            return
        self._commit_due_s = now_s + self._config.commit_s
        offsets = self._tracker.committable()
        if offsets:
            self._consumer.commit_async(to_kafka(offsets), callback=self._commit_done)

    def _commit_done(self, offsets: dict[TopicPartition, OffsetAndMetadata], response: object) -> None:
        if isinstance(response, Exception):
            self._metrics.commit_failures.inc()
            log.warning("commit failed; retrying", error=str(response))
        else:
            self._tracker.committed(from_kafka_offsets(offsets))


def connection_count(consumer: KafkaConsumer) -> float:
    """Return the number of open broker connections from kafka-python's metrics; 0 for a closed consumer."""
    count: float = consumer.metrics().get("consumer-metrics", {}).get("connection-count", 0.0)
    return count
