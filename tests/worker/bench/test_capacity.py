"""Capacity calculated from given costs."""

import pytest

from stripwatch.worker.bench.capacity import CapacityLimits, FrameCosts, bottleneck, cpu_limit

COSTS = FrameCosts(consume_s=0.001, decode_s=0.002, inference_s=0.003, publish_s=0.001, broker_s=0.001)


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


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (CapacityLimits(100, 200, 300), "inference"),
        (CapacityLimits(300, 200, 300), "decoding"),
        (CapacityLimits(300, 200, 100), "the CPU, of which inference takes 38%"),
    ],
)
def test_names_the_bottleneck_for_a_sentence(limits: CapacityLimits, named: str) -> None:
    assert bottleneck(limits, COSTS) == named
