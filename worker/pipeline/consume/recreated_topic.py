"""Moves from a deleted topic to the topic recreated under the same name. Called by the consumer's thread."""

import time
from collections.abc import Mapping

import structlog

from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker, Remainder
from stripwatch.worker.pipeline.consume.start_positions import StartPositions

log = structlog.get_logger()


class RecreatedTopic:
    """Finishes the frames of the old topic without committing them, then has all partitions assigned again.

    Frames still in flight after drain_s_max seconds are abandoned.
    """

    def __init__(
        self,
        topic: TopicIdentity,
        tracker: OffsetTracker,
        start_positions: StartPositions,
        metrics: Metrics,
        drain_s_max: float,
    ) -> None:
        self._topic = topic
        self._tracker = tracker
        self._start_positions = start_positions
        self._metrics = metrics
        self._drain_s_max = drain_s_max
        self._drain_until_s: float | None = None

    @property
    def draining(self) -> bool:
        """Return whether frames of the old topic are being finished. No frame is read during this time."""
        return self._drain_until_s is not None

    def follow(self) -> None:
        if not self._topic.is_recreated:
            return
        now_s = time.monotonic()
        if self._drain_until_s is None:
            self._drain_until_s = now_s + self._drain_s_max
            log.error(
                "topic was recreated; finishing the frames in flight, then reading the new topic from its beginning",
                topic=self._topic.topic,
                frames_open=self._tracker.open_frames(),
            )
        self._tracker.retire()  # includes partitions assigned by a rebalance in between
        if self._tracker.open_frames() and now_s < self._drain_until_s:
            return
        self._drain_until_s = None
        count_unread(self._topic, self._tracker.abandon(), self._metrics)
        self._topic.bind_recreated()
        self._start_positions.begin_recreated_topic()


def count_unread(topic: TopicIdentity, remainders: Mapping[Partition, Remainder], metrics: Metrics) -> None:
    """Count and log the frames of a deleted topic that have no result. They can no longer be read."""
    lags = topic.lags({partition: remainder.next_offset for partition, remainder in remainders.items()})
    for partition, remainder in remainders.items():
        if frames := lags.get(partition, 0) + remainder.open_frames:
            metrics.frames_deleted.inc(frames)
            log.error(
                "topic was deleted before all its frames were inspected",
                topic=partition.topic,
                partition=partition.number,
                frames=frames,
            )
