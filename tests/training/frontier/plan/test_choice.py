import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.frontier.plan.choice import (
    Rated,
    best_admitted,
    cheapest_within,
    find_front,
    most_accurate,
    selected_accuracy,
    worth_timing,
)

A, B, C, D = (
    Rated("a", 0.90, 1.0),
    Rated("b", 0.99, 2.0),
    Rated("c", 0.98, 3.0),
    Rated("d", 0.995, 9.0),
)
some_rated = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda pair: Rated(str(pair), pair[0] / 20, pair[1])),
    min_size=1,
    max_size=12,
    unique_by=lambda each: each.name,
)


def test_the_front_leaves_out_what_another_candidate_beats() -> None:
    assert find_front([D, C, B, A]) == ["a", "b", "d"]


@given(some_rated)
def test_no_candidate_is_cheaper_and_at_least_as_accurate_as_one_on_the_front(rated: list[Rated]) -> None:
    front = set(find_front(rated))
    for each in rated:
        beaten = any(
            other.accuracy >= each.accuracy and other.cost_ms <= each.cost_ms and other != each for other in rated
        )
        if not beaten:
            assert each.name in front
        if each.name in front:
            assert not any(other.accuracy > each.accuracy and other.cost_ms <= each.cost_ms for other in rated)


def test_the_cheapest_one_within_points_of_the_best_is_chosen() -> None:
    assert cheapest_within([A, B, C, D], 0.5) == B
    assert cheapest_within([A, B, C, D], 0.4) == D
    assert cheapest_within([A, B, C, D], 10) == A
    assert most_accurate([A, B, C, D]) == D


def test_the_best_that_a_rate_admits_is_chosen() -> None:
    assert best_admitted([A, B, C, D], lambda each: each.cost_ms < 5) == B
    assert best_admitted([A, B, C, D], lambda each: each.cost_ms < 0.5) is None


def test_hopeless_candidates_are_not_timed() -> None:
    slow, similar = Rated("slow", 0.99, 3.1), Rated("similar", 0.985, 2.5)
    assert [each.name for each in worth_timing([D, slow, similar, B, A])] == ["b", "similar", "d"]
    assert worth_timing([]) == []


@given(some_rated)
def test_the_front_is_timed_as_far_as_it_is_near_the_best(rated: list[Rated]) -> None:
    kept = {each.name for each in worth_timing(rated)}
    least = max(each.accuracy for each in rated) - 0.05
    named = {each.name: each for each in rated}
    assert all(name in kept for name in find_front(rated) if named[name].accuracy >= least)


def test_the_accuracy_of_a_choice_among_equals_is_not_flattered() -> None:
    rng = np.random.default_rng(3)
    right = rng.random((400, 60)) < 0.9  # sixty candidates that differ by chance only
    found = selected_accuracy(right, list(range(60)), list(range(400)), 0.0, seed=1)
    assert right.mean(axis=0).max() > 0.92
    assert found.value == pytest.approx(0.9, abs=0.015)
    assert found.low < 0.9 < found.high


def test_a_single_candidate_keeps_its_accuracy() -> None:
    right = np.arange(200)[:, None] >= 20
    found = selected_accuracy(right, [1.0], list(range(200)), 0.5, seed=0)
    assert found.value == pytest.approx(0.9, abs=0.01)


def test_groups_are_drawn_as_a_whole() -> None:
    """Two groups: whenever one is left out, the frames of it are all right or all wrong."""
    right = np.repeat([[True], [False]], 50, axis=0)
    found = selected_accuracy(right, [1.0], [7] * 50 + [9] * 50, 0.5, seed=0)
    assert (found.low, found.high) == (0.0, 1.0)
