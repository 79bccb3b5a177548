"""A seed determines its plan."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.badframes import BAD_FRAMES
from tests.faults.content import encode, reason
from tests.faults.kinds import FAULTS
from tests.faults.kinds.fault import PLAIN, TRIO
from tests.faults.plan import WORKERS_MAX, make_plan
from tests.tiny import expected_scores


@given(st.integers(0, 10_000), st.integers(10, 3000))
@settings(max_examples=50)
def test_the_same_seed_gives_the_same_plan(seed: int, frames: int) -> None:
    plan = make_plan(seed, frames)
    assert plan == make_plan(seed, frames)
    assert len(plan.bad) == frames == sum(strike.frames for strike in plan.strikes) + plan.reserve
    assert all(strike.frames > 0 and strike.worker < plan.workers <= WORKERS_MAX for strike in plan.strikes)


def test_different_seeds_give_different_plans_and_all_numbers_of_workers() -> None:
    plans = [make_plan(seed, 1000) for seed in range(20)]
    assert len({plan.strikes for plan in plans}) == 20
    assert {plan.workers for plan in plans} == {1, 2, 3}


def test_twenty_seeds_include_every_possible_fault() -> None:
    plans = [make_plan(seed, 1000) for seed in range(20)]
    assert {strike.fault for plan in plans for strike in plan.strikes} == set(FAULTS)
    assert {plan.cluster for plan in plans} == {PLAIN, TRIO}
    for plan in plans:
        assert all(plan.cluster in FAULTS[strike.fault].where for strike in plan.strikes)
        supervised = [strike for strike in plan.strikes if FAULTS[strike.fault].supervised]
        assert all(plan.processes[strike.worker] > 1 for strike in supervised)
        assert bool(supervised) == (max(plan.processes) > 1)


def test_every_plan_with_three_brokers_kills_one() -> None:
    for seed in (3, 7, 11):
        plan = make_plan(seed, 1000)
        assert plan.cluster == TRIO
        assert {fault.name for fault in FAULTS.values() if fault.where == {TRIO}} <= {s.fault for s in plan.strikes}


def test_bad_frames_have_a_reason_and_good_frames_have_distinct_scores() -> None:
    bad = make_plan(1, 300).bad
    numbers = range(len(bad) + 300)  # including frames beyond the plan
    good = [number for number in numbers if number >= len(bad) or bad[number] is None]
    assert 550 < len(good) < 600
    assert all(reason(bad, number) == BAD_FRAMES[name][1] for number, name in enumerate(bad) if name is not None)
    assert all(reason(bad, number) is None for number in good)
    scores = {tuple(expected_scores(encode(bad, number) or b"").round(5).tolist()) for number in good}
    assert len(scores) == len(good)
