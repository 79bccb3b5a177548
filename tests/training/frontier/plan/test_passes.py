from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from stripwatch.training.frontier.plan.budget import Budget
from stripwatch.training.frontier.plan.candidates import Pass
from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.training.frontier.plan.passes import PassResult, PlannedPass, run_passes

CHOICE = NetworkChoice("net", "mobilenet")


def planned(*sides: int) -> list[PlannedPass]:
    return [PlannedPass(Pass(CHOICE, (side, side), "grey"), side**2) for side in sides]


@dataclass
class Bench:
    """Passes that take 1 s per 100 multiplications, and a constant time, of a clock that only they advance."""

    constant_s: float = 0.0
    now_s: float = 0.0
    stored: dict[Pass, PassResult[int]] = field(default_factory=dict)
    measured: list[int] = field(default_factory=list)
    fail_at: int | None = None

    def measure(self, source: Pass) -> PassResult[int]:
        side = source.size[0]
        if side == self.fail_at:
            raise KeyboardInterrupt
        self.measured.append(side)
        seconds = self.constant_s + side**2 / 100
        self.now_s += seconds
        self.stored[source] = PassResult(side, seconds)
        return self.stored[source]

    def run(self, minutes: float, *sides: int) -> tuple[list[int], dict[str, str]]:
        clock: Callable[[], float] = lambda: self.now_s  # noqa: E731
        return run_passes(planned(*sides), Budget.start(minutes, clock), self.stored.get, self.measure)


def test_cheap_passes_come_first() -> None:
    bench = Bench()
    assert bench.run(60, 160, 64, 96) == ([64, 96, 160], {})


def test_a_pass_that_would_exceed_the_budget_is_not_begun_and_named() -> None:
    bench = Bench()
    found, untried = bench.run(5, 64, 96, 128, 224)  # 41 + 92 + 164 s of 300 s
    assert found == [64, 96, 128]
    assert untried == {"net 224x224 grey": "not tried: it takes about 8 min 22 s, over the time budget"}


def test_the_constant_time_of_small_passes_is_not_extrapolated() -> None:
    bench = Bench(constant_s=300)
    found, untried = bench.run(33, 64, 96, 128, 224, 299)  # 341 + 392 + 464 + 802 s of 1,980 s
    assert found == [64, 96, 128]
    assert untried["net 224x224 grey"] == "not tried: it takes about 13 min 22 s, over the time budget"
    assert Bench(constant_s=300).run(34, 64, 96, 128, 224)[0] == [64, 96, 128, 224]


def test_the_first_pass_is_run_whatever_it_takes() -> None:
    assert Bench().run(0.01, 224, 299)[0] == [224]


def test_an_interrupted_search_continues_with_what_was_stored() -> None:
    bench = Bench(fail_at=128)
    with pytest.raises(KeyboardInterrupt):
        bench.run(60, 64, 96, 128, 224)
    bench.fail_at = None
    assert bench.run(60, 64, 96, 128, 224)[0] == [64, 96, 128, 224]
    assert bench.measured == [64, 96, 128, 224]


def test_stored_passes_do_not_count_against_the_budget() -> None:
    bench = Bench()
    bench.run(60, 64, 96, 128)
    assert bench.run(0.01, 64, 96, 128, 299)[0] == [64, 96, 128]
    assert bench.run(60, 64, 96, 128, 299)[0] == [64, 96, 128, 299]


def test_a_part_of_a_budget_ends_earlier() -> None:
    whole = Budget.start(10, lambda: 0.0)
    assert whole.part(0.6).left_s == pytest.approx(360)
    assert whole.part(0.6).allows(359)
    assert not whole.part(0.6).allows(361)
