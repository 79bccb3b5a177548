"""Properties of the token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.rates import TokenBucket

GAPS_S = st.lists(st.floats(0, 100), max_size=60)
TOKENS = st.floats(1, 20)
PER_S = st.floats(0.01, 10)


class Played:
    """Times at which an event of one key was admitted."""

    def __init__(self, tokens_max: float, per_s: float, gaps_s: list[float]) -> None:
        self._now_s = 0.0
        quota = TokenBucket(tokens_max, per_s, lambda: self._now_s)
        self.passed_s = []
        for gap_s in gaps_s:
            self._now_s += gap_s
            if quota.take("a"):
                self.passed_s.append(self._now_s)


@given(TOKENS, PER_S, GAPS_S)
def test_no_interval_has_more_events_than_a_full_bucket_and_its_refill(
    tokens_max: float, per_s: float, gaps_s: list[float]
) -> None:
    passed_s = Played(tokens_max, per_s, gaps_s).passed_s
    for first in range(len(passed_s)):
        for last in range(first, len(passed_s)):
            stretch_s = passed_s[last] - passed_s[first]
            assert last - first + 1 <= tokens_max + per_s * stretch_s + 1e-3


@given(TOKENS, PER_S, st.lists(st.floats(1, 5), max_size=60))
def test_never_limits_events_that_are_slower_than_the_refill(
    tokens_max: float, per_s: float, gaps: list[float]
) -> None:
    assert len(Played(tokens_max, per_s, [gap / per_s for gap in gaps]).passed_s) == len(gaps)


@given(TOKENS, PER_S, GAPS_S)
def test_a_larger_bucket_admits_at_least_as_many_events(tokens_max: float, per_s: float, gaps_s: list[float]) -> None:
    some = Played(tokens_max, per_s, gaps_s).passed_s
    more = Played(tokens_max + 1, per_s, gaps_s).passed_s
    assert len(more) >= len(some)


@given(st.integers(1, 20))
def test_each_key_starts_with_a_full_bucket(tokens_max: int) -> None:
    quota = TokenBucket(tokens_max, 0.001, lambda: 0.0)
    for key in ("a", "b"):
        assert [quota.take(key) for _ in range(tokens_max + 3)] == [True] * tokens_max + [False] * 3
