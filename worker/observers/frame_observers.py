"""What of evidence, review and the shadow is switched on, put together; each is told what becomes of a frame."""

import time

from prometheus_client import Counter

from stripwatch.worker.common.token_bucket import TokenBucket
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.decode import DecodeLimits
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.annotate import PictureLimits
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer, open_best_effort_producer
from stripwatch.worker.observers.evidence import Evidence
from stripwatch.worker.observers.review_sender import ReviewSender
from stripwatch.worker.observers.shadow_loader import ShadowDeployment
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome

_CLOSE_S = 1.0  # at least, for what is still to be sent at a stop


class PipelineObservers:
    """The publish thread calls `admit` and `seen`; any thread `settled` and `dropped`; all return at once."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._topics: list[BestEffortProducer] = []
        self._shadow = ShadowDeployment(settings, metrics) if settings.shadow else None
        self._evidence = self._open_evidence(settings, metrics) if settings.evidence else None
        self._review = self._open_review(settings, metrics) if settings.review else None

    def start(self) -> None:
        for observer in (self._shadow, self._evidence, self._review):
            if observer:
                observer.start()

    def admit(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:
        """The event as it goes out: it says whether there will be evidence."""
        return self._evidence.admit(outcome, event) if self._evidence else event

    def seen(self, event: Result, frame: Frame) -> None:
        """The event went out."""
        if self._shadow:
            self._shadow.offer(event, frame)

    def settled(self, event: Result | Reject, frame: Frame) -> None:
        """The event was acknowledged."""
        if self._evidence:
            self._evidence.settled(frame)
        if self._review and isinstance(event, Result):
            self._review.offer(event, frame)

    def dropped(self, frame: Frame) -> None:
        """The event goes nowhere: the frame comes again."""
        if self._evidence:
            self._evidence.dropped(frame)

    def close(self, deadline_s: float) -> None:
        """Nothing comes any more; what was admitted is sent. deadline_s: of the monotonic clock."""
        for observer in (self._evidence, self._review):
            if observer:
                observer.close(_left_s(deadline_s))
        for topic in self._topics:
            topic.close(_left_s(deadline_s))
        if self._shadow:
            self._shadow.close()

    def _open_evidence(self, settings: Settings, metrics: Metrics) -> Evidence:
        per_minute = settings.evidence_per_minute_max
        return Evidence(
            settings.topics.evidence,
            self._topic(settings, metrics.evidence_frames),
            TokenBucket(per_minute, per_minute / 60),
            PictureLimits(settings.evidence_side_px_max, settings.evidence_quality, settings.evidence_bytes_max),
            DecodeLimits(settings.frame_bytes_max, settings.frame_pixels_max, settings.frame_side_px_min),
            metrics,
        )

    def _open_review(self, settings: Settings, metrics: Metrics) -> ReviewSender:
        per_hour = settings.review_per_hour_max
        topic = self._topic(settings, metrics.review_frames)
        return ReviewSender(settings.topics.review, topic, TokenBucket(per_hour, per_hour / 3600), metrics)

    def _topic(self, settings: Settings, frames: Counter) -> BestEffortProducer:
        failed, sent = (frames.labels(outcome).inc for outcome in ("failed", "sent"))
        topic = BestEffortProducer(lambda: open_best_effort_producer(settings), failed, sent)
        self._topics.append(topic)
        return topic


def needed_topics(settings: Settings) -> list[str]:
    """Those of what is switched on; the shadow does without, if it must."""
    switched = {"evidence": settings.evidence, "review": settings.review}
    return [getattr(settings.topics, kind) for kind, on in switched.items() if on]


def _left_s(deadline_s: float) -> float:
    return max(_CLOSE_S, deadline_s - time.monotonic())
