"""Handles assigned and revoked partitions.

kafka-python 3 calls the rebalance listener on its network thread, where a blocking commit raises. The listener is
therefore asynchronous: it waits until the frames in flight are settled, commits, and then releases the partitions.
"""

import time
from collections.abc import Collection

import structlog
from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.structs import OffsetAndMetadata, TopicPartition

from stripwatch.worker.broker.consumers import to_kafka
from stripwatch.worker.broker.topic_identity import AGREED_S, TopicIdentity
from stripwatch.worker.broker.workarounds.consumer.lost_membership import clear_claimed_partitions
from stripwatch.worker.broker.workarounds.consumer.rebalance_listener import commit, sleep
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.recreated_topic import count_unread

log = structlog.get_logger()

_DRAIN_CHECK_S = 0.005
_COMMIT_TRY_MS = 1000  # short, because a deleted topic is noticed between two attempts
_DECISION_S_MAX = AGREED_S + 1


class DrainOnRevoke(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Drains and commits revoked partitions before it releases them, so that the next owner repeats nothing.

    commits: False if offsets are committed with the results; then a settled frame is already committed.
    """

    def __init__(
        self,
        consumer: KafkaConsumer,
        tracker: OffsetTracker,
        metrics: Metrics,
        topic: TopicIdentity,
        drain_s_max: float,
        commits: bool = True,
    ) -> None:
        self._topic = topic
        self._consumer = consumer
        self._tracker = tracker
        self._metrics = metrics
        self._drain_s_max = drain_s_max
        self._commits = commits
        self.assigned = False

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Note the assignment. The consumer seeks each partition: see `start_positions.py`."""
        self.assigned = True
        log.info("partitions assigned", partitions=numbers(assigned))

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if not revoked:
            return
        partitions = [Partition(*partition) for partition in revoked]
        deadline_s = time.monotonic() + self._drain_s_max
        log.info("partitions revoked", partitions=numbers(revoked), frames_open=self._tracker.open_frames(partitions))
        try:
            await self._drain(partitions, deadline_s)
            await self._commit(partitions, deadline_s)
        except KafkaError as error:
            self._metrics.commit_failures.inc()
            log.warning("commit failed during a rebalance; some frames will be inspected again", error=str(error))
        finally:
            if self._topic.is_gone:
                count_unread(self._topic, self._tracker.abandon(partitions), self._metrics)
            self._release(partitions)

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """Release partitions that were already assigned to another worker; a commit would be refused."""
        log.warning("partitions lost; some frames will be inspected again", partitions=numbers(lost))
        self._release([Partition(*partition) for partition in lost])
        clear_claimed_partitions(self._consumer)

    async def _drain(self, partitions: list[Partition], deadline_s: float) -> None:
        while left := self._tracker.open_frames(partitions):
            if time.monotonic() > deadline_s:
                log.warning("drain timed out with frames in flight", frames=left)
                return
            await sleep(self._consumer, _DRAIN_CHECK_S)

    async def _commit(self, partitions: list[Partition], deadline_s: float) -> None:
        """Commit the settled offsets, unless the topic is gone or hidden. Raises KafkaError."""
        decided_s = time.monotonic() + _DECISION_S_MAX
        while self._topic.is_current or self._topic.is_doubtful:
            if self._topic.is_current:
                offsets = self._tracker.committable(partitions)
                if not offsets or not self._commits or await self._try_commit(to_kafka(offsets), deadline_s):
                    return
            elif time.monotonic() > decided_s:
                raise KafkaTimeoutError(f"cannot determine whether topic {self._topic.topic} still exists")
            await sleep(self._consumer, _DRAIN_CHECK_S)

    async def _try_commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], deadline_s: float) -> bool:
        try:
            await commit(self._consumer, offsets, _COMMIT_TRY_MS)
        except KafkaTimeoutError:
            if time.monotonic() > deadline_s:
                raise
            return False
        return True

    def _release(self, partitions: list[Partition]) -> None:
        self.assigned = bool(set(self._tracker.partitions()) - set(partitions))
        self._tracker.forget(partitions)
        for partition in partitions:
            self._metrics.forget_partition(partition.number)


def numbers(partitions: Collection[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)
