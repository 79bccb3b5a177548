"""The order of passes within a time budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import linear_regression
from typing import Generic, TypeVar

from stripwatch.training.frontier.plan.budget import Budget
from stripwatch.training.frontier.plan.candidates import Pass
from stripwatch.worker.common.terminal.progress import duration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedPass:
    """A pass with the multiplications of all frames, with which its duration increases about linearly."""

    source: Pass
    macs: float


@dataclass(frozen=True, slots=True)
class PassResult(Generic[T]):
    """Result of a pass. seconds: its duration when it was measured."""

    found: T
    seconds: float


@dataclass(slots=True)
class _Pace:
    """Multiplications and durations of the passes so far, for an estimate of the next ones.

    Decoding, heads and calls take most of the time of a small network, and not much more for a large one. So the
    estimate is a line through all passes.
    """

    macs: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def expected_s(self, macs: float) -> float:
        if not self.macs:
            return 0.0
        if len(set(self.macs)) > 1:
            slope, constant = linear_regression(self.macs, self.seconds)
            if slope > 0:
                return max(constant, 0.0) + slope * macs
        return macs * sum(self.seconds) / sum(self.macs)


def run_passes(
    planned: Sequence[PlannedPass],
    budget: Budget,
    read: Callable[[Pass], PassResult[T] | None],
    measure: Callable[[Pass], PassResult[T]],
) -> tuple[list[T], dict[str, str]]:
    """Run passes, the ones with the fewest multiplications first, and return their results.

    The first pass that is not stored is always run; later ones only if they are expected to end within the budget.

    Args:
        planned: The passes.
        budget: Time for the passes.
        read: Returns the stored result of a pass, or None.
        measure: Measures a pass and stores its result.

    Returns:
        The results in the order of the passes, and why the others were not tried, by their titles.
    """
    results: list[T] = []
    untried: dict[str, str] = {}
    pace = _Pace()
    for each in sorted(planned, key=lambda each: each.macs):
        known = read(each.source)
        expected_s = pace.expected_s(each.macs)
        if known is None and results and not budget.allows(expected_s):
            untried[each.source.title] = f"not tried: it takes about {duration(expected_s)}, over the time budget"
            continue
        result = known or measure(each.source)
        pace.seconds.append(result.seconds)
        pace.macs.append(each.macs)
        results.append(result.found)
    return results, untried
