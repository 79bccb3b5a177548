"""Limits of a search: its time budget, and how many images it uses."""

from collections.abc import Callable
from dataclasses import dataclass

FRAMES_MAX = 10_000  # of a larger data set, so that the time of a search stays bounded


@dataclass(frozen=True, slots=True)
class Budget:
    """Time that a search may take. started_s, ends_s: of the monotonic clock."""

    clock: Callable[[], float]
    started_s: float
    ends_s: float

    @classmethod
    def start(cls, minutes: float, clock: Callable[[], float]) -> "Budget":
        """Return a budget that begins now."""
        now = clock()
        return cls(clock, now, now + 60 * minutes)

    def part(self, share: float) -> "Budget":
        """Return a budget with the same begin and this share of the time, 0 to 1."""
        return Budget(self.clock, self.started_s, self.started_s + share * (self.ends_s - self.started_s))

    @property
    def used_s(self) -> float:
        """Return the seconds since the begin."""
        return self.clock() - self.started_s

    @property
    def left_s(self) -> float:
        """Return the seconds until the end; negative after it."""
        return self.ends_s - self.clock()

    def allows(self, expected_s: float) -> bool:
        """Return whether a step of this expected duration ends in time."""
        return expected_s < self.left_s
