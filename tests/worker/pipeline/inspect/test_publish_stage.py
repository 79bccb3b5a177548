"""How a frame leaves the pipeline, what its observers are notified of, and when it may be committed."""

import threading

from prometheus_client import CollectorRegistry

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.positions import CommitPoint
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.observer import FrameObserver, FrameObservers
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Skipped
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame, PublishStage
from tests.frames import make_frame
from tests.models import make_model
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
