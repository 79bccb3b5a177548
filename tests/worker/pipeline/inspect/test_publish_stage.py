"""How a frame leaves the pipeline, what its observers are notified of, and when it may be committed."""

import threading

from prometheus_client import CollectorRegistry

from stripwatch.worker.contracts.events import FrameFlag, Reject, Result, UnsureReason
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import CommitPoint
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.observer import FrameObserver, FrameObservers
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, Skipped
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame, PublishStage
from tests.frames import make_frame
from tests.models import make_model
from tests.worker.observers.novelty_models import novelty_model
from tests.worker.pipeline.inspect.stages import FRAMES, Collector


class Left:
    """A stage whose publisher holds one frame, with two observers that record their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.tracker, self.limiter = OffsetTracker(), InFlightLimiter(10, 10**6)
        self.metrics = Metrics(CollectorRegistry())
        frame = make_frame(0, b"12345")
        self.tracker.assign([FRAMES])
        self.tracker.register(frame.position)
        self.limiter.acquire(len(frame.encoded))
        publisher = Collector(hold=True)
        observers = FrameObservers(_Noting("a", self), _Noting("b", self))
        self.stage = PublishStage(
            events=EventBuilder({}),
            publisher=publisher,
            tracker=self.tracker,
            limiter=self.limiter,
            metrics=self.metrics,
            observer=observers,
            failed=threading.Event(),
            writers=1,
        )
        self.stage.put(Skipped(frame, make_model()))
        self.stage.end()
        self.stage.run()
        self.outgoing: OutgoingFrame = publisher.held[0]

    @property
    def open(self) -> bool:
        """Return whether the frame is in flight and cannot be committed."""
        return self.limiter.frames == 1 and self.tracker.committable() == {FRAMES: CommitPoint(0)}


class _Noting(FrameObserver):
    def __init__(self, name: str, left: Left) -> None:
        self._name = name
        self._left = left

    def on_event(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:
        self._left.calls.append(f"{self._name} event")
        changed = make_frame(0, camera=f"{event.frame.camera}{self._name}")
        return EventBuilder({}).skipped(Skipped(changed, outcome.model), 0.0)

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        self._left.calls.append(f"{self._name} sent {event.frame.camera} of {outcome.frame.camera}")

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        self._left.calls.append(f"{self._name} delivered {event.frame.camera} of {frame.camera}, {self._left.open}")

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:
        self._left.calls.append(f"{self._name} dropped {event.frame.camera} of {frame.camera}, {self._left.open}")


SENT = ["a event", "b event", "a sent top-1ab of top-1", "b sent top-1ab of top-1"]


def test_a_frame_is_committable_after_its_observers_were_notified_of_the_delivery() -> None:
    left = Left()
    assert (left.calls, left.outgoing.event.frame.camera, left.open) == (SENT, "top-1ab", True)
    left.outgoing.settle()
    assert left.calls[4:] == ["a delivered top-1ab of top-1, True", "b delivered top-1ab of top-1, True"]
    assert left.tracker.committable() == {FRAMES: CommitPoint(1)}
    assert (left.limiter.frames, left.limiter.bytes) == (0, 0)
    assert (left.stage.frames_settled, left.stage.frames_dropped) == (1, 0)
    assert left.metrics.registry.get_sample_value("stripwatch_results_total", {"verdict": "skipped"}) == 1


def test_a_dropped_frame_releases_its_room_and_is_not_committed() -> None:
    left = Left()
    left.outgoing.drop()
    assert left.calls[4:] == ["a dropped top-1ab of top-1, True", "b dropped top-1ab of top-1, True"]
    assert left.tracker.committable() == {FRAMES: CommitPoint(0)}
    assert (left.limiter.frames, left.limiter.bytes) == (0, 0)
    assert (left.stage.frames_settled, left.stage.frames_dropped) == (0, 1)
    assert left.metrics.registry.get_sample_value("stripwatch_frames_read_again_total") == 1
    assert left.metrics.registry.get_sample_value("stripwatch_results_total", {"verdict": "skipped"}) == 0


def settled(
    *scores: float | None, ignored: bool = False, flags: tuple[FrameFlag, ...] = (), replay_of: str | None = None
) -> Metrics:
    """Return the metrics after frames with these novelty scores were delivered."""
    metrics, tracker, limiter = Metrics(CollectorRegistry()), OffsetTracker(), InFlightLimiter(99, 10**6)
    tracker.assign([FRAMES])
    stage = PublishStage(
        events=EventBuilder({}),
        publisher=Collector(),
        tracker=tracker,
        limiter=limiter,
        metrics=metrics,
        observer=FrameObserver(),
        failed=threading.Event(),
        writers=1,
    )
    for number, score in enumerate(scores):
        made = make_frame(number, b"12345", replay_of=replay_of)
        tracker.register(made.position)
        limiter.acquire(len(made.encoded))
        stage.put(
            Prediction(
                *(made, novelty_model(ignored=ignored), 10, 10, (0.9, 0.1), 0.0, 0.0, 0.0), flags=flags, novelty=score
            )
        )
    stage.end()
    stage.run()
    return metrics


def novelty_counts(metrics: Metrics, camera: str = "top-1") -> dict[str, float]:
    read = metrics.registry.get_sample_value
    found = {
        reason.value: read("stripwatch_unsure_frames_total", {"camera": camera, "reason": reason})
        for reason in UnsureReason
    }
    found["judged"] = read("stripwatch_novelty_frames_total", {"camera": camera})
    return {name: value for name, value in found.items() if value}


def test_unsure_frames_are_counted_by_reason_and_novelty_scores_relative_to_the_threshold() -> None:
    metrics = settled(1.0, 4.0, 4.1, 40.0)
    assert novelty_counts(metrics) == {"novel": 2, "judged": 4}
    read = metrics.registry.get_sample_value
    buckets = [read("stripwatch_novelty_ratio_bucket", {"le": le}) for le in ("0.25", "1.0", "1.1", "10.0")]
    assert buckets == [1, 2, 3, 4]
    assert (read("stripwatch_novelty_ratio_count"), read("stripwatch_novelty_ratio_sum")) == (4, 49.1 / 4)


def test_frames_that_were_not_judged_by_their_novelty_score_do_not_count_as_such() -> None:
    assert novelty_counts(settled(None, None)) == {}
    assert novelty_counts(settled(9.0, ignored=True)) == {}
    assert novelty_counts(settled(9.0, flags=(FrameFlag.SIZE,))) == {"flag": 1}
    replayed = settled(9.0, replay_of="a-reject")
    assert novelty_counts(replayed) == {}
    assert novelty_counts(replayed, "replayed") == {"novel": 1, "judged": 1}
