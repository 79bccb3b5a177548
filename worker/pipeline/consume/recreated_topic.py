"""From a topic that was deleted to the one that was created in its place. The consumer's thread calls."""

import time
from collections.abc import Mapping

import structlog

from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker, Rest
from stripwatch.worker.pipeline.consume.start_positions import StartPositions

log = structlog.get_logger()


class RecreatedTopic:
    """Finishes the frames of the old topic that are in flight, commits none of them, and lets all partitions be
    reassigned.

    drain_s_max: what is still in flight after that is given up.
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
        """Nothing comes in meanwhile."""
        return self._drain_until_s is not None

    def follow(self) -> None:
        if not self._topic.is_recreated:
            return
        now_s = time.monotonic()
        if self._drain_until_s is None:
            self._drain_until_s = now_s + self._drain_s_max
            log.error(
                "topic was recreated; its frames in flight are finished, then the new topic is read from its beginning",
                topic=self._topic.topic,
                frames_open=self._tracker.open_frames(),
            )
        self._tracker.retire()  # also what a rebalance has assigned meanwhile
        if self._tracker.open_frames() and now_s < self._drain_until_s:
            return
        self._drain_until_s = None
        count_unread(self._topic, self._tracker.abandon(), self._metrics)
        self._topic.bind_recreated()
        self._start_positions.begin_recreated_topic()


def count_unread(topic: TopicIdentity, rests: Mapping[Partition, Rest], metrics: Metrics) -> None:
    """Frames of a topic that is gone, without a result: nobody can read them any more."""
    lags = topic.lags({partition: rest.next_offset for partition, rest in rests.items()})
    for partition, rest in rests.items():
        if frames := lags.get(partition, 0) + rest.open_frames:
            metrics.frames_deleted.inc(frames)
            log.error(
                "the topic was deleted before its frames were read",
                topic=partition.topic,
                partition=partition.number,
                frames=frames,
            )
