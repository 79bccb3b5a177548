"""Where reading starts, goes on, or jumps to, in each partition. The consumer's thread calls."""

import structlog
from kafka import KafkaConsumer
from kafka.structs import MemberState, OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.consumers import to_kafka
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker

log = structlog.get_logger()

_ASK_MS_MAX = 2000


class StartPositions:
    """Sends each partition to what Kafka has committed, and says what Kafka has deleted before it was read.

    start_at: earliest or latest, where a group without committed offsets begins.
    """

    def __init__(self, consumer: KafkaConsumer, tracker: OffsetTracker, metrics: Metrics, start_at: str) -> None:
        self._consumer = consumer
        self._tracker = tracker
        self._metrics = metrics
        self._start_at = start_at

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
        for partition in self._consumer.assignment():
            if Partition(*partition) in held:
                continue
            clear_stale_offset_fetches(self._consumer)
            offset = self._consumer.committed(partition, timeout_ms=_ASK_MS_MAX)
            if offset is None and not _has_leader(self._consumer, partition):
                # Nobody can say where it starts. Without any position kafka-python reads no other partition either.
                self._consumer.seek(partition, 0)
                continue
            self._consumer.seek(partition, self._start(partition) if offset is None else offset)
            self._tracker.assign([Partition(*partition)], losses)

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
            self._consumer.seek(partition, first[partition])

    def follow_truncation(self, ends: dict[TopicPartition, OffsetAndMetadata | None]) -> None:
        """A broker lost the newest frames of a partition. New ones take their offsets: go on where it ends now."""
        for partition, known in ends.items():
            end: int = known.offset if known else -1
            self._metrics.offset_resets.labels("truncated").inc()
            log.error("a broker lost frames at the end of a partition", **_position_fields(partition, end))
            if end < 0:  # nobody knows: the partition has nothing of that time
                end = self._consumer.beginning_offsets([partition], timeout_ms=_ASK_MS_MAX)[partition]
            self._consumer.seek(partition, end)

    def _start(self, partition: TopicPartition) -> int:
        """It is committed at once: what is taken before the first commit must not be passed over after a crash."""
        ask = self._consumer.beginning_offsets if self._start_at == "earliest" else self._consumer.end_offsets
        start: int = ask([partition], timeout_ms=_ASK_MS_MAX)[partition]
        self._consumer.commit(to_kafka({Partition(*partition): start}), timeout_ms=_ASK_MS_MAX)
        log.info("no committed offset", **_position_fields(partition, start), start_at=self._start_at)
        return start


def clear_stale_offset_fetches(consumer: KafkaConsumer) -> None:
    """A work-around: kafka-python 3.0.12 keeps the answer to a question for committed offsets that nobody waited for.

    It gives it to whoever asks next for the same partitions, however much later: reading then went back to an offset
    from before, and frames came out twice. `tests/worker/pipeline/consume/test_start_positions.py` fails the day it is
    not needed any more.
    """
    consumer._coordinator._offset_fetch_futures.clear()


def _has_leader(consumer: KafkaConsumer, partition: TopicPartition) -> bool:
    return consumer._cluster.leader_for_partition(partition) not in (None, -1)  # no public way (3.0.12)


def _position_fields(partition: TopicPartition, offset: int | None) -> dict[str, object]:
    return {"partition": partition.partition, "offset": offset}
