"""A seed is a plan, and only a plan."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.badframes import BAD_FRAMES
from tests.faults.plan import FRAMES_PER_FAULT, WORKERS_MAX, Fault, encode, make_plan, reason
from tests.tiny import expected_scores


@given(st.integers(0, 10_000), st.integers(10, 3000))
@settings(max_examples=50)
def test_the_same_seed_gives_the_same_plan(seed: int, frames: int) -> None:
    plan = make_plan(seed, frames)
    assert plan == make_plan(seed, frames)
    assert len(plan.bad) == frames == sum(strike.frames for strike in plan.strikes) + plan.reserve
    assert all(strike.frames > 0 and strike.worker < plan.workers <= WORKERS_MAX for strike in plan.strikes)


def test_other_seeds_give_other_plans_and_every_number_of_workers() -> None:
    plans = [make_plan(seed, 1000) for seed in range(20)]
    assert len({plan.strikes for plan in plans}) == 20
    assert {plan.workers for plan in plans} == {1, 2, 3}


def test_a_long_plan_has_every_fault() -> None:
    assert {strike.fault for strike in make_plan(3, FRAMES_PER_FAULT * len(Fault)).strikes} == set(Fault)


def test_bad_frames_have_a_reason_and_good_ones_scores_of_their_own() -> None:
    plan = make_plan(1, 300)
    good = [number for number, name in enumerate(plan.bad) if name is None]
    assert 250 < len(good) < 300
    assert all(reason(plan, number) == BAD_FRAMES[name][1] for number, name in enumerate(plan.bad) if name is not None)
    assert all(reason(plan, number) is None for number in good)
    scores = {tuple(expected_scores(encode(plan, number) or b"").round(5).tolist()) for number in good}
    assert len(scores) == len(good)
