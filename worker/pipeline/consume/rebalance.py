"""What happens when partitions come and go.

kafka-python 3 runs the rebalance listener on its own network thread. There a blocking commit raises, so the listener
is asynchronous: it waits until the frames in flight are settled, commits, and only then lets the partitions go.
"""

import time
from collections.abc import Collection

import structlog
from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from stripwatch.worker.broker.consumers import to_kafka
from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.broker.workarounds.lost_membership import clear_claimed_partitions
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.consume.recreated_topic import count_unread

log = structlog.get_logger()

_DRAIN_CHECK_S = 0.005
_COMMIT_MS_MIN = 1000


class DrainOnRevoke(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """On a rebalance: finish what is in flight, commit it, then let go, so that the next owner repeats nothing.

    commits: False where offsets are committed elsewhere, with the results: then settled is committed.
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
        """The consumer seeks each of them: `start_positions.py`."""
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
            if not self._topic.is_current:
                if self._topic.is_gone:
                    count_unread(self._topic, self._tracker.next_offsets(partitions), self._metrics)
                return
            offsets = self._tracker.committable(partitions)
            if offsets and self._commits:
                left_ms = max(_COMMIT_MS_MIN, (deadline_s - time.monotonic()) * 1000)
                # What commit() runs: it finds the coordinator and tries again, where commit_async (3.0.12) gives up.
                await self._consumer._coordinator._commit_offsets_sync_async(to_kafka(offsets), left_ms)
        except KafkaError as error:
            self._metrics.commit_failures.inc()
            log.warning("commit on rebalance failed; some frames will be inspected twice", error=str(error))
        finally:
            self._release(partitions)

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """The group gave them to another worker already: a commit would be refused."""
        log.warning("partitions lost; some frames will be inspected again", partitions=numbers(lost))
        self._release([Partition(*partition) for partition in lost])
        clear_claimed_partitions(self._consumer)

    async def _drain(self, partitions: list[Partition], deadline_s: float) -> None:
        while left := self._tracker.open_frames(partitions):
            if time.monotonic() > deadline_s:
                log.warning("frames still in flight at the end of the drain", frames=left)
                return
            await self._consumer._net.sleep(_DRAIN_CHECK_S)  # the listener's loop offers no public sleep (3.0.12)

    def _release(self, partitions: list[Partition]) -> None:
        self.assigned = bool(set(self._tracker.partitions()) - set(partitions))
        self._tracker.forget(partitions)
        for partition in partitions:
            self._metrics.forget_partition(partition.number)


def numbers(partitions: Collection[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)
