"""Who is notified of each frame on its way out of the pipeline.

Every method returns at once, or it delays the frames behind.
"""

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome


class FrameObserver:
    """Does nothing; a subclass overrides what it needs.

    The publish thread calls `on_event` and `on_sent`, any thread the others.
    """

    def on_event(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:  # noqa: ARG002
        """Return the event as it goes out."""
        return event

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        """The publisher has the event. It may have delivered or dropped it already."""

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        """The event was acknowledged; the frame can be committed after this."""

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:
        """The event goes nowhere: the frame is read again, by this worker or by another."""


class FrameObservers(FrameObserver):
    """Notifies each of its observers, in their order."""

    def __init__(self, *observers: FrameObserver) -> None:
        self._observers = observers

    def on_event(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:
        for observer in self._observers:
            event = observer.on_event(outcome, event)
        return event

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        for observer in self._observers:
            observer.on_sent(outcome, event)

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        for observer in self._observers:
            observer.on_delivered(event, frame)

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:
        for observer in self._observers:
            observer.on_dropped(event, frame)
