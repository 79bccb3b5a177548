"""Frames in from Kafka. One thread owns the consumer; nobody else touches it.

kafka-python 3 runs the rebalance listener on its own network thread. There a blocking commit raises, so the listener
is asynchronous: it waits until the frames in flight are settled, commits, and only then lets the partitions go.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from worker.credits import Credits
from worker.errors import BrokerLost
from worker.frame import Frame, Position, Record, read_record
from worker.metrics import Metrics
from worker.offsets import Ledger, Partition

log = structlog.get_logger()

_POLL_MS = 200
_NO_ROOM_S = 0.5
_DRAIN_CHECK_S = 0.005
_COMMIT_MS_MIN = 1000
_RECORDS_MAX = 64


@dataclass(frozen=True, slots=True)
class IntakeTimes:
    commit_s: float
    drain_s_max: float


class KafkaIntake:
    """Polls while there is room, commits what is settled, and pauses the partitions where there is no room.

    consumer: subscribed to nothing yet, with auto-commit off. take: hands a frame to the pipeline.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        topic: str,
        ledger: Ledger,
        credits: Credits,
        metrics: Metrics,
        times: IntakeTimes,
        take: Callable[[Frame], None],
    ) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._credits = credits
        self._metrics = metrics
        self._times = times
        self._take = take
        self._cluster = cluster_id(consumer)
        self._stopping = threading.Event()
        self._commit_due_s = 0.0
        self._listener = DrainOnRevoke(consumer, ledger, metrics, times.drain_s_max)
        consumer.subscribe([topic], listener=self._listener)
        # kafka-python 3.0.12 may otherwise join before it has seen the topic: it then assigns no partition at all, or
        # takes the metadata that come a moment later for a change, and the whole group rebalances once more.
        consumer.topics()

    @property
    def assigned(self) -> bool:
        """The group has given this worker its share, which may be no partition at all."""
        return self._listener.assigned

    @property
    def connected(self) -> bool:
        """A connection to some broker is open."""
        return connection_count(self._consumer) > 0

    def run(self) -> None:
        """Until `stop`. Raises BrokerLost."""
        try:
            while not self._stopping.is_set():
                self._step()
        except KafkaError as error:
            raise BrokerLost(f"reading frames failed: {type(error).__name__}: {error}") from error

    def stop(self) -> None:
        """Nothing new comes in. Any thread, or a signal handler, may call."""
        self._stopping.set()

    def close(self, timeout_s: float) -> None:
        """Commit what is settled and leave the group: last, since heartbeats kept us alive until here."""
        try:
            offsets = self._ledger.committable()
            if offsets:
                self._consumer.commit(_to_kafka(offsets), timeout_ms=round(timeout_s * 1000))
                self._ledger.committed(offsets)
        except KafkaError as error:
            log.warning("last commit failed; some frames will be inspected again", error=str(error))
        self._ledger.forget(self._ledger.partitions())  # what is still open is left to the next owner, not waited for
        try:
            self._consumer.close(autocommit=False, timeout_ms=round(timeout_s * 1000))
        except KafkaError as error:
            log.warning("the group was not left in order; it waits for the session timeout", error=str(error))

    def _step(self) -> None:
        self._commit_if_due()
        room = self._credits.wait_for_room(_NO_ROOM_S)
        if room:
            self._resume()
            records = self._consumer.poll(timeout_ms=_POLL_MS, max_records=min(room, _RECORDS_MAX))
        else:  # polling goes on, or the group would take this worker for dead
            self._consumer.pause(*self._consumer.assignment())
            records = self._consumer.poll(timeout_ms=0, max_records=1)
        for partition_records in records.values():
            for record in partition_records:
                self._take_record(record)
        self._show_lag()

    def _resume(self) -> None:
        paused = self._consumer.paused()
        if paused:
            self._consumer.resume(*paused)

    def _take_record(self, kafka_record: object) -> None:
        frame = read_record(from_kafka(kafka_record), self._cluster, time.monotonic())
        if not self._ledger.opened(frame.position):
            return  # revoked between poll and here: it was not committed, so whoever gets the partition reads it
        self._metrics.frames.labels(self._metrics.camera_label(frame.camera)).inc()
        for header in frame.faults:
            self._metrics.header_faults.labels(header).inc()
        self._credits.take(len(frame.encoded))
        self._take(frame)

    def _commit_if_due(self) -> None:
        now_s = time.monotonic()
        if now_s < self._commit_due_s:
            return
        self._commit_due_s = now_s + self._times.commit_s
        offsets = self._ledger.committable()
        if offsets:
            self._consumer.commit_async(_to_kafka(offsets), callback=self._commit_done)

    def _commit_done(self, offsets: dict[TopicPartition, OffsetAndMetadata], response: object) -> None:
        if isinstance(response, Exception):
            self._metrics.commit_failures.inc()
            log.warning("commit failed; it is tried again", error=str(response))
        else:
            self._ledger.committed(_from_kafka(offsets))

    def _show_lag(self) -> None:
        """Written here, since only this thread may ask the consumer."""
        for partition, next_offset in self._ledger.next_offsets().items():
            topic_partition = TopicPartition(*partition)
            if topic_partition in self._consumer.assignment():
                end = self._consumer.highwater(topic_partition)
                if end is not None:
                    self._metrics.lag_frames.labels(str(partition.number)).set(max(0, end - next_offset))


class DrainOnRevoke(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """On a rebalance: finish what is in flight, commit it, then let go, so that the next owner repeats nothing."""

    def __init__(self, consumer: KafkaConsumer, ledger: Ledger, metrics: Metrics, drain_s_max: float) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._metrics = metrics
        self._drain_s_max = drain_s_max
        self.assigned = False

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        for partition, offset in self._ledger.assign([Partition(*partition) for partition in assigned]).items():
            self._consumer.seek(TopicPartition(*partition), offset)
        self.assigned = True
        log.info("partitions assigned", partitions=_numbers(assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        partitions = [Partition(*partition) for partition in revoked]
        deadline_s = time.monotonic() + self._drain_s_max
        log.info("partitions revoked", partitions=_numbers(revoked), frames_open=self._ledger.open_frames(partitions))
        try:
            await self._drain(partitions, deadline_s)
            offsets = self._ledger.committable(partitions)
            if offsets:
                left_ms = max(_COMMIT_MS_MIN, (deadline_s - time.monotonic()) * 1000)
                # What commit() runs: it finds the coordinator and tries again, where commit_async (3.0.12) gives up.
                await self._consumer._coordinator._commit_offsets_sync_async(_to_kafka(offsets), left_ms)
        except KafkaError as error:
            self._metrics.commit_failures.inc()
            log.warning("commit on rebalance failed; some frames will be inspected twice", error=str(error))
        finally:
            self._let_go(partitions)

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """The group gave them to another worker already: a commit would be refused."""
        log.warning("partitions lost; some frames will be inspected twice", partitions=_numbers(lost))
        self._let_go([Partition(*partition) for partition in lost])

    async def _drain(self, partitions: list[Partition], deadline_s: float) -> None:
        while left := self._ledger.open_frames(partitions):
            if time.monotonic() > deadline_s:
                log.warning("frames still in flight at the end of the drain", frames=left)
                return
            await self._consumer._net.sleep(_DRAIN_CHECK_S)  # the listener's loop offers no public sleep (3.0.12)

    def _let_go(self, partitions: list[Partition]) -> None:
        self.assigned = False
        self._ledger.forget(partitions)
        for partition in partitions:
            self._metrics.forget_partition(partition.number)


def cluster_id(consumer: KafkaConsumer) -> str:
    """The id of the Kafka cluster, empty where the broker names none."""
    return consumer._cluster.cluster_id or ""  # the consumer offers no public way (3.0.12)


def connection_count(consumer: KafkaConsumer) -> float:
    """Open connections to brokers, by kafka-python's own metrics."""
    count: float = consumer.metrics()["consumer-metrics"]["connection-count"]
    return count


def from_kafka(record: object) -> Record:
    """A kafka-python ConsumerRecord as ours: here its type ends."""
    position = Position(record.topic, record.partition, record.offset)  # type: ignore[attr-defined]
    return Record(position, record.timestamp, record.key, record.value, record.headers)  # type: ignore[attr-defined]


def _numbers(partitions: Collection[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)


def _to_kafka(offsets: dict[Partition, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {TopicPartition(*p): OffsetAndMetadata(offset, "", -1) for p, offset in offsets.items()}


def _from_kafka(offsets: dict[TopicPartition, OffsetAndMetadata]) -> dict[Partition, int]:
    return {Partition(*p): metadata.offset for p, metadata in offsets.items()}
