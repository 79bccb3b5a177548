"""Records how frames passed to a publisher end, for tests of delivery."""

import threading

from prometheus_client import CollectorRegistry

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame, Publisher, PublishStage


class SettledFrames(FrameObserver):
    """The offsets of frames that were settled, and of those that were dropped."""

    def __init__(self, publisher: Publisher, tracker: OffsetTracker) -> None:
        self.settled: list[int] = []
        self.dropped: list[int] = []
        around = (InFlightLimiter(1000, 10**9), Metrics(CollectorRegistry()), self, threading.Event())
        self._stage = PublishStage(EventBuilder({}), publisher, tracker, *around, writers=1)

    def outgoing(self, event: Result | Reject, frame: Frame) -> OutgoingFrame:
        return OutgoingFrame(event, frame, 0.0, self._stage)

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        self.settled.append(frame.position.offset)

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:
        self.dropped.append(frame.position.offset)
