"""Logs rejects and measures their share. A single bad frame never stops the line, but many of them make it unready."""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog

from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.pipeline.inspect.observer import FrameObserver

log = structlog.get_logger()

_SLOTS = 60
_FRAMES_MIN = 20  # with fewer frames, a single reject after a restart would raise an alarm


class RejectRate(FrameObserver):
    """Reject rate over a sliding window of window_s seconds, with a resolution of 1/60 of it. Thread-safe."""

    def __init__(self, window_s: float, share_max: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._slot_s = window_s / _SLOTS
        self._share_max = share_max
        self._now_s = now_s
        self._slots: deque[list[int]] = deque()  # [slot number, frames, rejects], oldest first
        self._lock = threading.Lock()

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        if frame.replay_of is None:  # a replayed frame says nothing about the cameras now
            self.count(isinstance(event, Reject))
        if isinstance(event, Reject):
            log.warning(
                "frame rejected", frame=event.id, camera=event.frame.camera, reason=event.reason, detail=event.detail
            )

    def count(self, rejected: bool) -> None:
        with self._lock:
            slot = self._forget_old()
            if not self._slots or self._slots[-1][0] != slot:
                self._slots.append([slot, 0, 0])
            self._slots[-1][1] += 1
            self._slots[-1][2] += rejected

    def share(self) -> float:
        """Return the share of rejects, 0 to 1, or 0 if there are fewer than 20 frames."""
        with self._lock:
            self._forget_old()
            frames = sum(slot[1] for slot in self._slots)
            rejects = sum(slot[2] for slot in self._slots)
        return rejects / frames if frames >= _FRAMES_MIN else 0.0

    def is_high(self) -> bool:
        return self.share() > self._share_max

    def _forget_old(self) -> int:
        slot = int(self._now_s() / self._slot_s)
        while self._slots and self._slots[0][0] <= slot - _SLOTS:
            self._slots.popleft()
        return slot
