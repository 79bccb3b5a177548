"""How far a share can be trusted."""

from scipy.stats import binomtest

from stripwatch.export.runs.run_evaluation import Interval

LEVEL = 0.95


def share_interval(right: int, of: int) -> Interval:
    """Wilson's: unlike the bootstrap it does not shrink to nothing when none, or every one, is right."""
    found = binomtest(right, of).proportion_ci(LEVEL, method="wilson")
    return Interval(right / of, float(found.low), float(found.high))
