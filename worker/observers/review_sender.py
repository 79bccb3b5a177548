"""Review: publishes unsure frames unmodified on a separate topic, for a person to label."""

import time
from collections.abc import Callable

from stripwatch.worker.common.rates import TokenBucket
from stripwatch.worker.config.sections import ReviewSettings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.background_worker import BackgroundWorker
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, review_headers


class ReviewSender(FrameObserver):
    """Sends review frames in the background, within a quota per label and camera."""

    def __init__(
        self,
        settings: ReviewSettings,
        topic_name: str,
        topic: BestEffortProducer,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic_name = topic_name
        self._topic = topic
        self._quota = TokenBucket(settings.per_hour_max, settings.per_hour_max / 3600, monotonic)
        self._metrics = metrics
        self._worker = BackgroundWorker("review", self._send, self._count)
        self.start = self._worker.start

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        if isinstance(event, Reject) or event.verdict != "unsure":
            return
        if self._topic.circuit_open:
            self._count("dropped")
        elif not self._quota.take((event.label, self._metrics.camera_label(frame.camera))):
            self._count("over_quota")
        else:
            self._worker.offer(frame, event)

    def close(self, timeout_s: float) -> None:
        """Send the queued frames until the time is up."""
        self._worker.close(timeout_s)

    def _send(self, frame: Frame, event: Result) -> None:
        headers = review_headers(event, frame)
        key = frame.camera.encode()
        self._topic.send(OutgoingRecord(self._topic_name, key, frame.encoded, headers, frame.record_ms))

    def _count(self, outcome: str) -> None:
        self._metrics.review_frames.labels(outcome).inc()
