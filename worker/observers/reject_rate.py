"""Logs rejects and measures their share. A single bad frame never stops the line, but many of them make it unready."""

import threading
import time
from collections.abc import Callable

import structlog

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.monitoring.metric_groups.metric_group import OTHER
from stripwatch.worker.observers.frame_window import FrameWindow, WindowCounts
from stripwatch.worker.pipeline.inspect.observer import FrameObserver

log = structlog.get_logger()

_FRAMES_MIN = 20  # with fewer frames, a single reject after a restart would raise an alarm
_CAMERA_REJECTS_MIN = 5  # the same for one camera, which may send a frame every few seconds


class RejectRate(FrameObserver):
    """Reject rate over a sliding window of window_s seconds. Thread-safe."""

    def __init__(self, window_s: float, share_max: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._share_max = share_max
        self._window = FrameWindow(window_s, now_s)

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        if frame.replay_of is None:  # a replayed frame says nothing about the cameras now
            self.count(isinstance(event, Reject))
        if isinstance(event, Reject):
            log.warning(
                "frame rejected", frame=event.id, camera=event.frame.camera, reason=event.reason, detail=event.detail
            )

    def count(self, rejected: bool) -> None:
        self._window.count("rejected" if rejected else None)

    def share(self) -> float:
        """Return the share of rejects, 0 to 1, or 0 if there are fewer than 20 frames."""
        counts = self._window.counts()
        return counts.with_reason / counts.frames if counts.frames >= _FRAMES_MIN else 0.0

    def is_high(self) -> bool:
        return self.share() > self._share_max


class CameraRejects(FrameObserver):
    """Frames and rejects of each camera in a sliding window of window_s seconds. Thread-safe.

    share_max: share of rejects above which a camera is rejecting. label: returns the name under which a camera is
    counted; cameras beyond a limit share the name `other`, which is not counted.
    """

    def __init__(
        self,
        window_s: float,
        share_max: float,
        label: Callable[[str], str],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.window_s = window_s
        self._share_max = share_max
        self._label = label
        self._now_s = now_s
        self._windows: dict[str, FrameWindow] = {}
        self._lock = threading.Lock()

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        if frame.replay_of is not None:
            return
        with self._lock:
            camera = self._label(frame.camera)
            if camera == OTHER:
                return
            window = self._windows.setdefault(camera, FrameWindow(self.window_s, self._now_s))
        window.count(event.reason if isinstance(event, Reject) else None)

    def counts(self, camera: str) -> WindowCounts:
        with self._lock:
            window = self._windows.get(camera)
        return window.counts() if window else WindowCounts()

    def is_rejecting(self, camera: str) -> bool:
        """Return whether the share of rejects is above the limit, with five rejects or more."""
        counts = self.counts(camera)
        return counts.with_reason >= _CAMERA_REJECTS_MIN and counts.with_reason > self._share_max * counts.frames

    def forget(self, camera: str) -> None:
        """Forget a camera that moved to another worker."""
        with self._lock:
            self._windows.pop(camera, None)
