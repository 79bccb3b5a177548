"""Confidence intervals of shares."""

from scipy.stats import binomtest

from stripwatch.export.results.run_evaluation import Interval

LEVEL = 0.95


def share_interval(right: int, of: int) -> Interval:
    """Return the share right / of with its 95 % Wilson score interval (Wilson 1927).

    Unlike the bootstrap interval it does not collapse to a point at shares of 0 and 1.
    """
    limits = binomtest(right, of).proportion_ci(LEVEL, method="wilson")
    return Interval(right / of, float(limits.low), float(limits.high))
