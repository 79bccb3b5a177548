"""The deadline of a frame: how old it may be when its batch runs, and what happens to a late one."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from stripwatch.worker.contracts.frame import Frame


@dataclass(frozen=True, slots=True)
class Deadline:
    """Limit for the age of frames.

    age_s_max: seconds since capture. skip: if True, a late frame is skipped; otherwise it is only counted. A replayed
    frame is never late: it keeps its original capture time, and its result was requested.
    """

    age_s_max: float
    skip: bool
    now_s: Callable[[], float] = time.time

    def passed(self, frame: Frame) -> bool:
        return frame.replay_of is None and self.now_s() - frame.captured_ms / 1000 > self.age_s_max

    def skips(self, frame: Frame) -> bool:
        return self.skip and self.passed(frame)


NO_DEADLINE = Deadline(float("inf"), skip=False)
