"""Queries for the quantiles of a histogram."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import Query


def quantiles(metric: str, by: str = "") -> tuple[Query, ...]:
    labels = f"{by}, le" if by else "le"
    return tuple(
        Query(
            f"histogram_quantile({q}, sum by ({labels}) (rate({metric}_bucket{{{OF_WORKER}}}{RATE})))",
            f"{{{{{by}}}}} p{q * 100:g}" if by else f"p{q * 100:g}",
        )
        for q in (0.5, 0.99)
    )
