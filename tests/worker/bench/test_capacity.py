"""Capacity calculated from given costs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.bench.capacity import (
    LOAD_MAX,
    CameraPlan,
    CapacityLimits,
    FrameCosts,
    cpu_limit,
    fit,
    parse_plan,
)
from stripwatch.worker.common.errors import SettingsError

COSTS = FrameCosts(consume_s=0.001, decode_s=0.002, inference_s=0.003, publish_s=0.001, broker_s=0.001)
rates = st.floats(0.1, 1000)


def test_cpu_limit_divides_the_cores_by_the_cost_of_a_frame() -> None:
    assert cpu_limit(COSTS, cores=4) == pytest.approx(500)


def test_broker_elsewhere_costs_this_machine_nothing() -> None:
    elsewhere = FrameCosts(COSTS.consume_s, COSTS.decode_s, COSTS.inference_s, COSTS.publish_s, None)
    assert elsewhere.frame_s == pytest.approx(COSTS.frame_s - 0.001)


@pytest.mark.parametrize(
    ("limits", "binding"),
    [
        (CapacityLimits(100, 200, 300), ("inference", 100)),
        (CapacityLimits(300, 200, 300), ("intake and decode", 200)),
        (CapacityLimits(300, 200, 100), ("CPU", 100)),
        (CapacityLimits(300, 200, None), ("intake and decode", 200)),
    ],
)
def test_lowest_limit_is_the_bottleneck(limits: CapacityLimits, binding: tuple[str, float]) -> None:
    assert limits.binding == binding


def test_parses_a_plan() -> None:
    assert parse_plan("12 cameras 30 fps 256x1600") == CameraPlan(12, 30, "256x1600")
    assert parse_plan("1 camera 0.5 fps 200x200") == CameraPlan(1, 0.5, "200x200")


@pytest.mark.parametrize("text", ["", "12 cameras", "0 cameras 30 fps 200x200", "2 cameras 0 fps 200x200", "2x30"])
def test_rejects_an_invalid_plan(text: str) -> None:
    with pytest.raises(SettingsError, match="--plan"):
        parse_plan(text)


@given(st.integers(1, 500), rates, st.floats(1, 10_000))
def test_machines_suffice_and_none_exceeds_the_load_limit(cameras: int, rate: float, capacity: float) -> None:
    found = fit(CameraPlan(cameras, rate, "200x200"), capacity)
    assert found.load == pytest.approx(cameras * rate / capacity)
    assert found.cameras_max * rate <= LOAD_MAX * capacity < (found.cameras_max + 1) * rate * (1 + 1e-9)
    if found.machines is None:
        assert found.cameras_max == 0
    else:
        assert found.machines == math.ceil(cameras / found.cameras_max)
