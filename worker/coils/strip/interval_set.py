"""Sets of millimetres, stored as few spans."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class IntervalSet:
    """A set of whole millimetres as sorted, disjoint, half-open spans. Spans at most join_mm apart are merged.

    It is the union of the added spans with gaps of at most join_mm filled, so it does not depend on order or repeats.
    """

    def __init__(self, join_mm: int = 0) -> None:
        self._join_mm = join_mm
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    @property
    def length_mm(self) -> int:
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        if start >= end:
            return
        first = bisect_left(self._ends, start - self._join_mm)
        last = bisect_right(self._starts, end + self._join_mm)
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]

    def gaps(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return the missing spans between start and end, in order, without gaps of at most join_mm."""
        inside = [(max(a, start), min(b, end)) for a, b in self if a < end and b > start]
        edges = [start, *(edge for span in inside for edge in span), end]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > self._join_mm and a < b]
