"""Sets the position at which each partition is read. Called by the consumer's thread."""

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

_REQUEST_MS_MAX = 2000


class StartPositions:
    """Seeks partitions to their committed offsets, and reports frames that Kafka deleted before they were read.

    An offset of a topic that was recreated since is ignored, and a partition added after the group began is read from
    its beginning. The commit metadata names the topic and the number of its partitions.

    start_at: `earliest` or `latest`, where a group without committed offsets begins.
    """

    def __init__(
        self, consumer: KafkaConsumer, tracker: OffsetTracker, metrics: Metrics, topic: TopicIdentity, start_at: str
    ) -> None:
        self._consumer = consumer
        self._tracker = tracker
        self._metrics = metrics
        self._topic = topic
        self._start_at = start_at
        self._first_partitions: int | None = None  # as in CommitMetadata; None until it is known
        self._recreated_partitions = 0  # partitions that the recreated topic had when this worker noticed it

    def begin_recreated_topic(self) -> None:
        """Treat all partitions as new, because the topic was created while the group was running."""
        self._first_partitions = 0
        self._recreated_partitions = self._topic.partition_count()

    def seek_assigned(self) -> None:
        """Seek each assigned partition that is not tracked to its committed offset.

        kafka-python keeps its position in a partition that is revoked and assigned again at once. That position is past
        frames that were dropped in between, or when a producer failed, so it is never used. During a rebalance the
        previous assignment is no longer valid.
        """
        # if it changes during the requests, another worker may have had the partition
        revocations = self._tracker.revocations
        if self._consumer.group_metadata().state != MemberState.STABLE:
            return
        held = set(self._tracker.partitions())
        unpositioned = [partition for partition in self._consumer.assignment() if Partition(*partition) not in held]
        if not unpositioned or not self._topic.bind_first():
            return
        for partition in unpositioned:
            point = self._committed([partition]).get(Partition(*partition))
            start = self._start_of(point)
            if start is None and not _has_leader(self._consumer, partition):
                # The start cannot be determined. kafka-python reads no partition at all while one has no position.
                seek(self._consumer, partition, 0)
                continue
            if start is None:
                start = self._begin(partition, point)
            seek(self._consumer, partition, start)
            self._tracker.assign([Partition(*partition)], revocations, CommitPoint(start, self._commit_metadata()))

    def skip_deleted(self, wanted: dict[TopicPartition, int]) -> None:
        """Continue at the earliest offset, because Kafka no longer has the wanted offset, or does not have it yet."""
        first = self._consumer.beginning_offsets(list(wanted), timeout_ms=_REQUEST_MS_MAX)
        held = set(self._tracker.partitions())
        for partition, offset in wanted.items():
            if Partition(*partition) not in held:
                continue  # its start position is still to be set
            lost = first[partition] - offset
            if lost > 0:
                self._metrics.frames_deleted.inc(lost)
                self._metrics.offset_resets.labels("deleted").inc()
                log.error(
                    "frames were deleted by Kafka before they were read",
                    **_position_fields(partition, offset),
                    frames=lost,
                )
            else:
                self._metrics.offset_resets.labels("recreated").inc()
                log.error(
                    "topic was recreated or truncated; restarting at the earliest offset",
                    **_position_fields(partition, offset),
                )
            seek(self._consumer, partition, first[partition])

    def follow_truncation(self, ends: dict[TopicPartition, OffsetAndMetadata | None]) -> None:
        """Continue at the end of a partition whose newest frames a broker has lost. New frames reuse their offsets."""
        held = set(self._tracker.partitions())
        for partition, known in ends.items():
            if Partition(*partition) not in held:
                continue  # its start position is still to be set
            end: int = known.offset if known else -1
            self._metrics.offset_resets.labels("truncated").inc()
            log.error("a broker lost the newest frames of a partition", **_position_fields(partition, end))
            if end < 0:  # unknown end: the partition has no record of that epoch
                end = self._consumer.beginning_offsets([partition], timeout_ms=_REQUEST_MS_MAX)[partition]
            seek(self._consumer, partition, end)

    def _committed(self, partitions: list[TopicPartition]) -> dict[Partition, CommitPoint]:
        return from_kafka_offsets(fetch_committed(self._consumer, partitions, _REQUEST_MS_MAX))

    def _start_of(self, point: CommitPoint | None) -> int | None:
        """Return the committed offset, or None if there is none or it belongs to a deleted topic."""
        if point is None:
            return None
        remembered = decode_commit_metadata(point.metadata)
        if remembered is None:
            return point.offset
        if not self._is_of_topic(remembered):
            return None
        # The commits of one group may differ: a worker that asked while partitions were added records more of them.
        self._first_partitions = min(self._remember_partitions(), remembered.first_partitions)
        return point.offset

    def _is_of_topic(self, remembered: CommitMetadata) -> bool:
        """Return whether the metadata belongs to the current topic, as far as the broker reports ids."""
        return not remembered.topic_id or not self._topic.id or remembered.topic_id == self._topic.id

    def _begin(self, partition: TopicPartition, stale: CommitPoint | None) -> int:
        """Return where to begin a partition that the group has not read. stale: an offset of a deleted topic.

        The position is committed at once. Otherwise a crash before the first commit could skip frames, and the group
        would not know which partitions it has seen.
        """
        if stale:
            self.begin_recreated_topic()
        first = self._consumer.beginning_offsets([partition], timeout_ms=_REQUEST_MS_MAX)[partition]
        added = partition.partition >= self._remember_partitions()
        start: int = first
        if not added and self._start_at == "latest":
            start = self._consumer.end_offsets([partition], timeout_ms=_REQUEST_MS_MAX)[partition]
        point = CommitPoint(start, self._commit_metadata())
        self._consumer.commit(to_kafka({Partition(*partition): point}), timeout_ms=_REQUEST_MS_MAX)
        if stale or partition.partition < self._recreated_partitions:
            self._metrics.offset_resets.labels("recreated").inc()
            log.error("topic was recreated; restarting at the earliest offset", **_position_fields(partition, start))
        elif added:
            self._metrics.partitions_added.inc()
            log.info("partition was added; reading it from its beginning", **_position_fields(partition, start))
        else:
            self._log_start(partition, start, start - first)
        return start

    def _log_start(self, partition: TopicPartition, start: int, skipped: int) -> None:
        log.info("no committed offset", **_position_fields(partition, start), start_at=self._start_at)
        if skipped:
            self._metrics.frames_skipped_at_start.inc(skipped)
            log.error(
                'start_at = "latest" skips frames that the group has not read',
                **_position_fields(partition, start),
                frames=skipped,
            )

    def _remember_partitions(self) -> int:
        """Return how many partitions the topic had when the group began to read it.

        The metadata of any committed offset contains it. Without such metadata the group begins now, or all offsets
        were set by an administrator or by an older version.
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
