"""Review: publishes frames that a person should label, unmodified, on a separate topic."""

import time
from collections.abc import Callable, Hashable
from typing import Literal

from stripwatch.worker.common.rates import TokenBucket
from stripwatch.worker.config.observer_sections import ReviewSettings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import NAMELESS
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.background_worker import BackgroundWorker
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.produce.record_builder import OutgoingRecord, review_headers, review_reason

Quota = Literal["class", "novel"]


class ReviewSender(FrameObserver):
    """Sends review frames in the background, within two quotas.

    Unsure frames have a quota per label and camera. Novel frames, and defects of an anomaly model, have one per camera:
    their label means little, and neither kind may use up the quota of the other.
    """

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
        self._quotas: dict[Quota, TokenBucket] = {
            "class": TokenBucket(settings.per_hour_max, settings.per_hour_max / 3600, monotonic),
            "novel": TokenBucket(settings.novel_per_hour_max, settings.novel_per_hour_max / 3600, monotonic),
        }
        self._metrics = metrics
        self._worker = BackgroundWorker("review", self._send, self._count)
        self.start = self._worker.start

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        if isinstance(event, Reject) or (reason := review_reason(event)) is None:
            return
        if self._topic.circuit_open:
            self._count("dropped")
        elif self._admit(event, frame, "novel" if reason in NAMELESS else "class"):
            self._worker.offer(frame, event)
        else:
            self._count("over_quota")

    def close(self, timeout_s: float) -> None:
        """Send the queued frames until the time is up."""
        self._worker.close(timeout_s)

    def _admit(self, event: Result, frame: Frame, quota: Quota) -> bool:
        camera = self._metrics.camera_label(frame.camera)
        key: Hashable = camera if quota == "novel" else (event.label, camera)
        admitted = self._quotas[quota].take(key)
        self._metrics.review_quota.labels(quota, "admitted" if admitted else "over_quota").inc()
        return admitted

    def _send(self, frame: Frame, event: Result) -> None:
        headers = review_headers(event, frame)
        key = frame.camera.encode()
        self._topic.send(OutgoingRecord(self._topic_name, key, frame.encoded, headers, frame.record_ms))

    def _count(self, outcome: str) -> None:
        self._metrics.review_frames.labels(outcome).inc()
