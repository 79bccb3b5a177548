"""Interface for code that is notified of each frame as it leaves the pipeline.

Every method must return at once, because it would delay the following frames.
"""

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome


class FrameObserver:
    """Base class that does nothing. A subclass overrides the methods that it needs.

    The publish thread calls `on_event` and `on_sent`; any thread may call the others.
    """

    def on_event(self, outcome: FrameOutcome, event: Result | Reject) -> Result | Reject:  # noqa: ARG002
        """Return the event to publish, changed if necessary."""
        return event

    def on_sent(self, outcome: FrameOutcome, event: Result | Reject) -> None:
        """The event was passed to the publisher, which may already have delivered or dropped it."""

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        """The event was acknowledged. The frame can be committed after this call."""

    def on_dropped(self, event: Result | Reject, frame: Frame) -> None:
        """The event was not published. The frame is read again, by this worker or by another."""


class FrameObservers(FrameObserver):
    """Notifies each of several observers, in order."""

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
