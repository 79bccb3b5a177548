"""Rejects in the log, and their share of the last frames: one bad frame never stops the line, many of them are news."""

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
_FRAMES_MIN = 20  # below this, one bad frame after a restart would raise an alarm


class RejectRate(FrameObserver):
    """Over the last window_s, to a sixtieth of it. Any thread may call."""

    def __init__(self, window_s: float, share_max: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._slot_s = window_s / _SLOTS
        self._share_max = share_max
        self._now_s = now_s
        self._slots: deque[list[int]] = deque()  # [number of the slot, frames, rejects], oldest first
        self._lock = threading.Lock()

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:
        if frame.replay_of is None:  # a replay says nothing about the cameras now
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
        """From 0 to 1; 0 while there are too few frames to say."""
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
