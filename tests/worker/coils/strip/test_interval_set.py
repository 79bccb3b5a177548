import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.coils.strip.interval_set import IntervalSet

edges = st.integers(-50, 50)
some_spans = st.lists(st.tuples(edges, edges))


def spans_of(pairs: list[tuple[int, int]], join_mm: int = 0) -> IntervalSet:
    spans = IntervalSet(join_mm)
    for start, end in pairs:
        spans.add(start, end)
    return spans


@given(some_spans)
def test_contains_exactly_the_added_millimetres(pairs: list[tuple[int, int]]) -> None:
    spans = spans_of(pairs)
    millimetres = {mm for start, end in pairs for mm in range(start, end)}
    assert {mm for start, end in spans for mm in range(start, end)} == millimetres
    assert spans.length_mm == len(millimetres)
    found = list(spans)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(found)), "disjoint and sorted"


@given(some_spans, edges, edges)
def test_coverage_and_gaps_add_up_to_the_whole(pairs: list[tuple[int, int]], start: int, end: int) -> None:
    spans = spans_of(pairs)
    gaps = spans.gaps(start, end)
    inside = sum(max(0, min(b, end) - max(a, start)) for a, b in spans)
    assert inside + sum(b - a for a, b in gaps) == max(0, end - start)
    assert all(spans_of([gap]).gaps(*span) == [span] for gap in gaps for span in spans), "no gap is covered"


@given(some_spans, st.integers(0, 8), st.randoms())
def test_merges_spans_within_the_tolerance_only(pairs: list[tuple[int, int]], join_mm: int, rng: random.Random) -> None:
    exact, shuffled = spans_of(pairs), spans_of(rng.sample(pairs, len(pairs)), join_mm)
    found = spans_of(pairs, join_mm)
    assert list(found) == list(shuffled)
    real = [gap for gap in exact.gaps(-60, 60) if gap[1] - gap[0] > join_mm]
    assert found.gaps(-60, 60) == real, "every longer gap is kept with its exact length"
    assert all(start - end > join_mm for (_, end), (start, _) in itertools.pairwise(found))
