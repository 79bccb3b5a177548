"""Where reading starts, continues, or jumps to, in each partition. The consumer's thread calls."""

import structlog
from kafka import KafkaConsumer
from kafka.structs import MemberState, OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.consumers import from_kafka_offsets, to_kafka
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.connection.cluster_metadata import cluster_metadata
from stripwatch.worker.broker.workarounds.consumer.stale_offset_fetches import fetch_committed
from stripwatch.worker.broker.workarounds.consumer.stale_truncations import seek
from stripwatch.worker.contracts.positions import CommitPoint, Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.commit_metadata import CommitMetadata, decode_commit_metadata
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker

log = structlog.get_logger()

_ASK_MS_MAX = 2000


class StartPositions:
    """Sends each partition to what Kafka has committed, and says what Kafka has deleted before it was read.

    An offset of a topic that has been recreated since is not used, and a partition that was added since the group began
    is read from its beginning: what is committed says of which topic it is, and how many partitions that had.

    start_at: earliest or latest, where a group without committed offsets begins.
    """

    def __init__(
        self, consumer: KafkaConsumer, tracker: OffsetTracker, metrics: Metrics, topic: TopicIdentity, start_at: str
    ) -> None:
        self._consumer = consumer
        self._tracker = tracker
        self._metrics = metrics
        self._topic = topic
        self._start_at = start_at
        self._first_partitions: int | None = None  # of CommitMetadata; None: not known yet
        self._recreated_partitions = 0  # those that a recreated topic had when this worker noticed it

    def begin_recreated_topic(self) -> None:
        """The topic that is read now was created while the group was running: all of it is new."""
        self._first_partitions = 0
        self._recreated_partitions = self._topic.partition_count()

    def seek_assigned(self) -> None:
        """Each partition that is ours and that the offset tracker does not hold: read it from what is committed.

        kafka-python keeps its own position in a partition that comes straight back, past frames that were dropped when
        it went, or when a producer failed; so it is never relied on. While the group rebalances, what is assigned is
        not ours any more.
        """
        losses = self._tracker.revocations  # one while Kafka is asked: another worker may have had the partition since
        if self._consumer.group_metadata().state != MemberState.STABLE:
            return
        held = set(self._tracker.partitions())
        unplaced = [partition for partition in self._consumer.assignment() if Partition(*partition) not in held]
        if not unplaced or not self._topic.bind_first():
            return
        for partition in unplaced:
            point = self._committed([partition]).get(Partition(*partition))
            start = self._start_of(point)
            if start is None and not _has_leader(self._consumer, partition):
                # Nobody can say where it starts. Without any position kafka-python reads no other partition either.
                seek(self._consumer, partition, 0)
                continue
            if start is None:
                start = self._begin(partition, point)
            seek(self._consumer, partition, start)
            self._tracker.assign([Partition(*partition)], losses, CommitPoint(start, self._commit_metadata()))

    def skip_deleted(self, wanted: dict[TopicPartition, int]) -> None:
        """What follows cannot be read, since Kafka no longer has it, or not yet: go to the first frame there is."""
        first = self._consumer.beginning_offsets(list(wanted), timeout_ms=_ASK_MS_MAX)
        held = set(self._tracker.partitions())
        for partition, offset in wanted.items():
            if Partition(*partition) not in held:
                continue  # not where it was to be read: it is yet to be placed
            lost = first[partition] - offset
            if lost > 0:
                self._metrics.frames_deleted.inc(lost)
                self._metrics.offset_resets.labels("deleted").inc()
                log.error(
                    "Kafka deleted frames before they were read", **_position_fields(partition, offset), frames=lost
                )
            else:
                self._metrics.offset_resets.labels("recreated").inc()
                log.error(
                    "topic was recreated or truncated; restarting at the earliest offset",
                    **_position_fields(partition, offset),
                )
            seek(self._consumer, partition, first[partition])

    def follow_truncation(self, ends: dict[TopicPartition, OffsetAndMetadata | None]) -> None:
        """A broker lost the newest frames of a partition. New ones take their offsets: continue where it ends now."""
        held = set(self._tracker.partitions())
        for partition, known in ends.items():
            if Partition(*partition) not in held:
                continue  # not where it was to be read: it is yet to be placed
            end: int = known.offset if known else -1
            self._metrics.offset_resets.labels("truncated").inc()
            log.error("a broker lost frames at the end of a partition", **_position_fields(partition, end))
            if end < 0:  # nobody knows: the partition has nothing of that time
                end = self._consumer.beginning_offsets([partition], timeout_ms=_ASK_MS_MAX)[partition]
            seek(self._consumer, partition, end)

    def _committed(self, partitions: list[TopicPartition]) -> dict[Partition, CommitPoint]:
        return from_kafka_offsets(fetch_committed(self._consumer, partitions, _ASK_MS_MAX))

    def _start_of(self, point: CommitPoint | None) -> int | None:
        """Where the committed offset says; None without one, or where it is of a topic that is gone."""
        if point is None:
            return None
        remembered = decode_commit_metadata(point.metadata)
        if remembered is None:
            return point.offset
        if not self._is_of_topic(remembered):
            return None
        # Commits of one group may differ: a worker that asked while the topic grew remembers more partitions.
        self._first_partitions = min(self._remember_partitions(), remembered.first_partitions)
        return point.offset

    def _is_of_topic(self, remembered: CommitMetadata) -> bool:
        """Of the topic that is read, as far as the broker names ids."""
        return not remembered.topic_id or not self._topic.id or remembered.topic_id == self._topic.id

    def _begin(self, partition: TopicPartition, stale: CommitPoint | None) -> int:
        """Where a partition begins that the group has not read. stale: of a topic that is gone.

        It is committed at once: what is taken before the first commit must not be passed over after a crash, and the
        group remembers by it what it has seen of the topic.
        """
        if stale:
            self.begin_recreated_topic()
        first = self._consumer.beginning_offsets([partition], timeout_ms=_ASK_MS_MAX)[partition]
        added = partition.partition >= self._remember_partitions()
        start: int = first
        if not added and self._start_at == "latest":
            start = self._consumer.end_offsets([partition], timeout_ms=_ASK_MS_MAX)[partition]
        point = CommitPoint(start, self._commit_metadata())
        self._consumer.commit(to_kafka({Partition(*partition): point}), timeout_ms=_ASK_MS_MAX)
        if stale or partition.partition < self._recreated_partitions:
            self._metrics.offset_resets.labels("recreated").inc()
            log.error("topic was recreated; restarting at the earliest offset", **_position_fields(partition, start))
        elif added:
            self._metrics.partitions_added.inc()
            log.info("partition was added; reading it from its beginning", **_position_fields(partition, start))
        else:
            self._say_start(partition, start, start - first)
        return start

    def _say_start(self, partition: TopicPartition, start: int, skipped: int) -> None:
        log.info("no committed offset", **_position_fields(partition, start), start_at=self._start_at)
        if skipped:
            self._metrics.frames_skipped_at_start.inc(skipped)
            log.error(
                "start_at = latest skips frames that the group has not read",
                **_position_fields(partition, start),
                frames=skipped,
            )

    def _remember_partitions(self) -> int:
        """How many partitions the topic had when the group began to read it: any committed offset tells.

        Where none does, the group begins now; or all were set by an administrator or by an older version.
        """
        if self._first_partitions is None:
            count = self._topic.partition_count()
            known = self._committed([TopicPartition(self._topic.topic, number) for number in range(count)])
            notes = [note for point in known.values() if (note := decode_commit_metadata(point.metadata))]
            same = [note.first_partitions for note in notes if self._is_of_topic(note)]
            self._first_partitions = min(same, default=count)
            if notes and not same:
                self.begin_recreated_topic()
        return self._first_partitions

    def _commit_metadata(self) -> str:
        return CommitMetadata(self._topic.id, self._remember_partitions()).encode()


def _has_leader(consumer: KafkaConsumer, partition: TopicPartition) -> bool:
    return cluster_metadata(consumer).leader_for_partition(partition) not in (None, -1)


def _position_fields(partition: TopicPartition, offset: int | None) -> dict[str, object]:
    return {"partition": partition.partition, "offset": offset}
