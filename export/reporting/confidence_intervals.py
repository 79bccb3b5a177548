"""Confidence intervals of shares, and intervals as text."""

from scipy.stats import binomtest

from stripwatch.export.results.run_evaluation import Interval

LEVEL = 0.95


def share_interval(right: int, of: int) -> Interval:
    """Return the share right / of with its 95 % Wilson score interval (Wilson 1927).

    Unlike the bootstrap interval it does not collapse to a point at shares of 0 and 1.
    """
    limits = binomtest(right, of).proportion_ci(LEVEL, method="wilson")
    return Interval(right / of, float(limits.low), float(limits.high))


def interval_words(found: Interval, kind: str) -> str:
    """Return a value with its 95 % interval as text. kind: how it was computed, such as "Wilson".

    A bootstrap interval without width, as of a figure without errors, would claim a certainty that few frames cannot
    give.
    """
    if found.low == found.high:
        return f"{found.value:.4f}, without an interval, because all resamples give this value"
    return f"{found.value:.4f}, 95 % interval {found.low:.4f} to {found.high:.4f} ({kind} interval)"
