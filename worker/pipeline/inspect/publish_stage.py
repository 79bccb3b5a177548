"""Turns outcomes into events, passes them to the publisher, and settles or drops each frame."""

import queue
import threading
import time
from typing import NamedTuple, Protocol

import structlog

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.monitoring.metric_groups.frame_metrics import REPLAYED
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome

log = structlog.get_logger()


class OutgoingFrame(NamedTuple):
    """A frame with its event on the way to Kafka or to a file. Its publisher calls `settle` or `drop` exactly once.

    sent_s: monotonic time.
    """

    event: Result | Reject
    frame: Frame
    sent_s: float
    stage: "PublishStage"

    def settle(self) -> None:
        """Settle the frame, because everything published for it was acknowledged. May be called from any thread."""
        self.stage.settle(self)

    def drop(self) -> None:
        """Drop the frame, because its event was not published. It is read again. May be called from any thread."""
        self.stage.drop(self)


class Publisher(Protocol):
    """Destination of events: Kafka (`AtLeastOnce`, `ExactlyOnce`) or a file. Called by one thread."""

    def publish(self, outgoing: OutgoingFrame) -> None:
        """Publish an event, and settle or drop its frame once the outcome is known."""

    def flush(self, timeout_s: float) -> None:
        """Wait until all published events are settled, but no longer than timeout_s."""


class PublishStage:
    """Publishes outcomes in the order of `put`, on the thread that calls `run`.

    writers: number of threads that put outcomes. Each calls `end` after its last one, and the stage ends with the last
    of them. failed: set when the pipeline cannot continue.
    """

    def __init__(
        self,
        events: EventBuilder,
        publisher: Publisher,
        tracker: OffsetTracker,
        limiter: InFlightLimiter,
        metrics: Metrics,
        observer: FrameObserver,
        failed: threading.Event,
        writers: int,
    ) -> None:
        self._events = events
        self._publisher = publisher
        self._tracker = tracker
        self._limiter = limiter
        self._metrics = metrics
        self._observer = observer
        self._failed = failed
        self._writers = writers
        self._outcomes: queue.SimpleQueue[FrameOutcome | None] = queue.SimpleQueue()
        self.frames_settled = 0
        self.frames_dropped = 0

    @property
    def waiting_frames(self) -> int:
        return self._outcomes.qsize()

    def put(self, outcome: FrameOutcome) -> None:
        self._outcomes.put(outcome)

    def end(self) -> None:
        self._outcomes.put(None)

    def run(self) -> None:
        writers = self._writers
        while writers:
            if (outcome := self._outcomes.get()) is None:
                writers -= 1
            else:
                self._publish(outcome)
            del outcome  # hold no model while waiting

    def _publish(self, outcome: FrameOutcome) -> None:
        sent_s = time.monotonic()
        frame, event = outcome.frame, self._observer.on_event(outcome, self._events.event(outcome, sent_s))
        _count_unlocated(self._metrics, outcome, event)
        if isinstance(event, Reject):
            self._limiter.reserve_copy(id(frame), len(frame.encoded), self._failed)
        self._publisher.publish(OutgoingFrame(event, frame, sent_s, self))
        self._observer.on_sent(outcome, event)

    def settle(self, outgoing: OutgoingFrame) -> None:
        event, frame = outgoing.event, outgoing.frame
        _count_event(self._metrics, frame, event)
        self._metrics.publish_seconds.observe(time.monotonic() - outgoing.sent_s)
        self.frames_settled += 1
        self._observer.on_delivered(event, frame)
        self._tracker.complete(frame.position)
        self._release(frame)

    def drop(self, outgoing: OutgoingFrame) -> None:
        self.frames_dropped += 1
        self._metrics.frames_read_again.inc()
        self._observer.on_dropped(outgoing.event, outgoing.frame)
        self._release(outgoing.frame)

    def _release(self, frame: Frame) -> None:
        self._limiter.release_copy(id(frame))
        self._limiter.release(len(frame.encoded))


def _count_unlocated(metrics: Metrics, outcome: FrameOutcome, event: Result | Reject) -> None:
    """Count defects without a box from a model with heatmaps, because they indicate a faulty model."""
    if outcome.model.heatmap_decoder is None or isinstance(event, Reject):
        return
    labels = [defect.label for defect in event.defects if defect.box_px is None]
    if labels:
        metrics.unlocated_defects.inc(len(labels))
        log.warning("heatmap does not locate a defect", frame=event.id, labels=labels)


def _count_novelty(metrics: Metrics, camera: str, event: Result) -> None:
    """Count an unsure frame by its reason, and record the novelty score. A flagged frame is not judged by its score."""
    if event.reason is not None:
        metrics.unsure_frames.labels(camera, event.reason).inc()
    threshold = event.model.novelty_threshold
    if event.novelty is None or threshold is None or event.flags:
        return
    metrics.novelty_frames.labels(camera).inc()
    if threshold > 0:
        metrics.novelty_ratio.observe(event.novelty / threshold)


def _count_event(metrics: Metrics, frame: Frame, event: Result | Reject) -> None:
    """Count the result or reject, its defects and its flags, and record its age."""
    if isinstance(event, Reject):
        camera = REPLAYED if frame.replay_of is not None else metrics.camera_label(frame.camera)
        metrics.rejects.labels(event.reason, camera).inc()
        return
    metrics.results.labels(event.verdict or event.state).inc()
    for defect in event.defects:
        metrics.defects.labels(defect.label, metrics.camera_label(frame.camera)).inc()
    for flag in event.flags:
        metrics.flagged_frames.labels(metrics.camera_label(frame.camera), flag).inc()
    _count_novelty(metrics, REPLAYED if frame.replay_of is not None else metrics.camera_label(frame.camera), event)
    if frame.replay_of is not None:
        return  # its capture time is that of the original frame, so its age says nothing about the worker
    age_s = time.time() - frame.captured_ms / 1000
    if age_s < 0:
        metrics.negative_ages.inc()
    metrics.frame_age.observe(max(0.0, age_s))
