"""Keeps the lag current while the consumer does not fetch: while it is paused, and while its thread is stuck.

A fetch reports the end of a partition, so without fetches the lag would stay at its last value although the cameras
continue to send.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

import structlog
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from stripwatch.worker.broker.topic_identity import TopicIdentity
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker

log = structlog.get_logger()

_CHECK_S = 5.0
_ANSWER_MS_MAX = 3000
_JOIN_S = 1.0


class LagMonitor:
    """Asks Kafka for the ends of the assigned partitions every few seconds, on its own thread and connection.

    Kafka consumers are not thread-safe, and a request on the consumer's thread could delay its polls.

    open_reader: opens a consumer outside the group with the isolation level of the group member, so that both see the
    same end.
    """

    def __init__(
        self,
        open_reader: Callable[[], AbstractContextManager[KafkaConsumer]],
        topic: TopicIdentity,
        tracker: OffsetTracker,
        metrics: Metrics,
    ) -> None:
        self._open_reader = open_reader
        self._topic = topic
        self._tracker = tracker
        self._metrics = metrics
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lag", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more requests. Returns at once."""
        self._stopping.set()

    def close(self) -> None:
        """Stop the thread. A request to Kafka that is still pending is left behind."""
        self.stop()
        self._thread.join(_JOIN_S)

    def show(self) -> None:
        """Update the metric from the newest known ends. May be called from any thread."""
        lags = self._topic.lags(self._tracker.next_offsets())
        for partition, frames in lags.items():
            self._metrics.lag_frames.labels(str(partition.number)).set(frames)
        for partition in lags.keys() - set(self._tracker.partitions()):  # revoked since the first line
            self._metrics.forget_partition(partition.number)

    def check(self, reader: KafkaConsumer) -> None:
        """Ask once. Raises KafkaError."""
        partitions = [TopicPartition(*partition) for partition in self._tracker.next_offsets()]
        topic_id = self._topic.id
        if partitions and self._topic.is_current:
            self._topic.note_ends(reader.end_offsets(partitions, timeout_ms=_ANSWER_MS_MAX), topic_id)
            self.show()

    def _run(self) -> None:
        while not self._stopping.wait(_CHECK_S):
            try:
                with self._open_reader() as reader:
                    while not self._stopping.wait(_CHECK_S):
                        self._check_or_wait(reader)
            except (StripwatchError, KafkaError) as error:  # the consumer reports an outage and decides about it
                log.debug("cannot open the reader of the lag", error=str(error))
            except Exception:  # the worker does not depend on this metric
                log.exception("cannot determine the lag")

    def _check_or_wait(self, reader: KafkaConsumer) -> None:
        try:
            self.check(reader)
        except KafkaError as error:  # a leader moves, or Kafka is away: the next request may succeed
            log.debug("cannot read the ends of the partitions", error=str(error))
