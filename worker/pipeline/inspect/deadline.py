"""How old a frame may be when its batch goes out, and what becomes of one that is older."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from stripwatch.worker.contracts.frame import Frame


@dataclass(frozen=True, slots=True)
class Deadline:
    """age_s_max: from capture. skip: a late frame is not inspected; else it is only counted.

    A frame that was sent again is never late: it keeps its capture time, and somebody wants its result.
    """

    age_s_max: float
    skip: bool
    now_s: Callable[[], float] = time.time

    def passed(self, frame: Frame) -> bool:
        return frame.replay_of is None and self.now_s() - frame.captured_ms / 1000 > self.age_s_max

    def skips(self, frame: Frame) -> bool:
        return self.skip and self.passed(frame)


NO_DEADLINE = Deadline(float("inf"), skip=False)
