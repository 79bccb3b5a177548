"""The plan matches the steps, models and sizes; the description of a machine without a GPU."""

import pytest

from tests.gpu.machine import describe_machine, gpu_memory_mb
from tests.gpu.plan import MODELS, SIZES, STEPS, Sizes
from tests.gpu.steps import KINDS


def test_every_step_has_a_function_and_a_model() -> None:
    made = {f"{plan.name}-{precision}" for plan in MODELS for precision in plan.precisions}
    assert {step.kind for step in STEPS} == set(KINDS)
    assert {step.model for step in STEPS} <= made


def test_every_model_is_measured() -> None:
    made = {f"{plan.name}-{precision}" for plan in MODELS for precision in plan.precisions}
    assert {step.model for step in STEPS if step.kind == "speed"} == made


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_processes_share_partitions_evenly_and_the_number_of_reloads_is_odd(sizes: Sizes) -> None:
    assert all(sizes.partitions % count == 0 for count in sizes.processes)
    assert sizes.swaps % 2 == 1


def test_describes_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    machine = describe_machine("abc")
    assert (machine["GPU"], machine["driver"], machine["commit"]) == ("none", "none", "abc")
    assert gpu_memory_mb() is None
