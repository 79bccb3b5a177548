"""All frame observers of a worker: drift, reject rate, states of cameras, and the background workers."""

import time
from collections.abc import Callable, Collection

import structlog
from prometheus_client import Counter

from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.config.observer_sections import EvidenceSettings, ReviewSettings
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.contracts.topics import how_to_create
from stripwatch.worker.model.loading.open_model import decode_limits, open_model
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer, open_best_effort_producer
from stripwatch.worker.observers.camera_states import CameraStates
from stripwatch.worker.observers.drift_monitor import DriftMonitor
from stripwatch.worker.observers.evidence import Evidence
from stripwatch.worker.observers.novel_frames import NovelFrames
from stripwatch.worker.observers.reject_rate import CameraRejects, RejectRate
from stripwatch.worker.observers.review_sender import ReviewSender
from stripwatch.worker.observers.shadow_loader import ShadowDeployment, shadow_settings
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.observer import FrameObservers

log = structlog.get_logger()
_CLOSE_S = 1.0  # minimum time for records still to be sent at a stop


class PipelineObservers(FrameObservers):
    """Drift and reject rate, and, where enabled, states of cameras, evidence, review and shadow.

    optional: optional output topics that exist. held: returns the partitions that are assigned to this worker.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        limits: TopicLimits,
        optional: Collection[str] = (),
        held: Callable[[], Collection[Partition]] = tuple,
    ) -> None:
        self._limits = limits
        self._topics: list[BestEffortProducer] = []
        self.rejects = RejectRate(settings.rejects.window_s, settings.rejects.share_max)
        cameras = CameraRejects(settings.rejects.window_s, settings.drift.reject_share_max, metrics.camera_label)
        novel = NovelFrames(settings.drift, metrics.camera_label)
        reported = settings.topics.cameras in optional
        self._states = self._open_states(settings, metrics, cameras, held) if reported else None
        self.drift = DriftMonitor(
            settings.drift,
            metrics,
            configured=settings.cameras,
            rejects=cameras,
            novel=novel,
            report=self._states.update if self._states else lambda _: None,
        )
        metrics.watch(metrics.reject_share, self.rejects.share)
        self._shadow = _open_shadow(settings, metrics, limits) if settings.shadow.bundle else None
        self._evidence = self._open_evidence(settings, metrics) if settings.evidence.enabled else None
        self._review = self._open_review(settings, metrics) if settings.review.enabled else None
        self._background = [each for each in (self._shadow, self._evidence, self._review, self._states) if each]
        super().__init__(self.drift, self.rejects, cameras, novel, *self._background)

    def start(self) -> None:
        for observer in self._background:
            observer.start()

    def close(self, deadline_s: float) -> list[str]:
        """Send what was accepted and stop. deadline_s: monotonic time.

        Returns the threads that still run a model, with which the process cannot exit normally.
        """
        for observer in (self._states, self._evidence, self._review):
            if observer:
                observer.close(_left_s(deadline_s))
        for topic in self._topics:
            topic.close(_left_s(deadline_s))
        if self._shadow and not self._shadow.close(_left_s(deadline_s)):
            return ["shadow"]
        return []

    def _open_evidence(self, settings: Settings, metrics: Metrics) -> Evidence:
        topic = self._topic(settings, metrics.evidence_frames)
        return Evidence(settings.evidence, settings.topics.evidence, topic, decode_limits(settings.frames), metrics)

    def _open_review(self, settings: Settings, metrics: Metrics) -> ReviewSender:
        topic = self._topic(settings, metrics.review_frames)
        return ReviewSender(settings.review, settings.topics.review, topic, metrics)

    def _open_states(
        self,
        settings: Settings,
        metrics: Metrics,
        rejects: CameraRejects,
        held: Callable[[], Collection[Partition]],
    ) -> CameraStates:
        return CameraStates(
            settings.topics.cameras,
            self._topic(settings, metrics.camera_states),
            settings.drift.report_s,
            settings.instance_id,
            metrics.camera_label,
            rejects,
            held,
        )

    def _topic(self, settings: Settings, frames: Counter) -> BestEffortProducer:
        failed, sent = (frames.labels(outcome).inc for outcome in ("failed", "sent"))
        topic = BestEffortProducer(
            lambda: open_best_effort_producer(settings, self._limits), failed, sent, self._limits
        )
        self._topics.append(topic)
        return topic


def needed_topics(topics: Topics, evidence: EvidenceSettings, review: ReviewSettings) -> list[str]:
    """Return the topics of the enabled observers. The shadow also runs without its topic."""
    observers = ((topics.evidence, evidence.enabled), (topics.review, review.enabled))
    return [topic for topic, enabled in observers if enabled]


def optional_topics(topics: Topics, existing: Collection[str]) -> list[str]:
    """Return the optional output topics that exist, and log the missing ones."""
    if topics.cameras in existing:
        return [topics.cameras]
    log.info(
        "states of cameras are not published: the topic does not exist, or ACLs hide it",
        topic=topics.cameras,
        hint=f"the topic is optional; to use it, {how_to_create([topics.cameras])}, and restart the worker",
    )
    return []


def _open_shadow(settings: Settings, metrics: Metrics, limits: TopicLimits) -> ShadowDeployment:
    own = shadow_settings(settings)
    return ShadowDeployment(
        settings.shadow,
        settings.bundle_check_s,
        settings.topics.shadow,
        BestEffortProducer(
            lambda: open_best_effort_producer(settings, limits), metrics.shadow_unpublished.inc, limits=limits
        ),
        EventBuilder(settings.cameras),
        lambda bundle, raise_if_cancelled: open_model(bundle, own, raise_if_cancelled),
        metrics,
    )


def _left_s(deadline_s: float) -> float:
    return max(_CLOSE_S, deadline_s - time.monotonic())
