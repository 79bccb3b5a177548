"""Test of the difference between two candidates that were scored on the same frames."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


def mcnemar_p(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the two-sided p-value of the exact McNemar test: 1 if both are right on the same frames.

    first, second: whether each frame was right, bool [n]. It takes frames as independent, so near duplicates make it
    optimistic. McNemar 1947, "Note on the sampling error of the difference between correlated proportions or
    percentages", https://doi.org/10.1007/BF02295996.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)
