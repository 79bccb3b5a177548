"""Sliding window over the frames of a worker or of a camera, with the reasons of rejects or of novel frames."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_SLOTS = 60


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """Frames in a window, and those that were counted with a reason, by reason."""

    frames: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def with_reason(self) -> int:
        return sum(self.reasons.values())


class FrameWindow:
    """Counts frames in a sliding window of window_s seconds, with a resolution of 1/60 of it. Thread-safe."""

    def __init__(self, window_s: float, now_s: Callable[[], float] = time.monotonic) -> None:
        self._slot_s = window_s / _SLOTS
        self._now_s = now_s
        self._slots: deque[tuple[int, Counter[str | None]]] = deque()  # slot number and frames by reason, oldest first
        self._lock = threading.Lock()

    def count(self, reason: str | None) -> None:
        """Count a frame. reason: why it was rejected or is novel; None for any other frame."""
        with self._lock:
            slot = self._forget_old()
            if not self._slots or self._slots[-1][0] != slot:
                self._slots.append((slot, Counter()))
            self._slots[-1][1][reason] += 1

    def counts(self) -> WindowCounts:
        with self._lock:
            self._forget_old()
            total = sum((counts for _, counts in self._slots), Counter[str | None]())
        reasons = {reason: count for reason, count in sorted(total.items(), key=str) if reason is not None}
        return WindowCounts(total.total(), reasons)

    def _forget_old(self) -> int:
        slot = int(self._now_s() / self._slot_s)
        while self._slots and self._slots[0][0] <= slot - _SLOTS:
            self._slots.popleft()
        return slot
