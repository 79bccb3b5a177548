"""Batching policy: its rules, and a simulated comparison with fixed settings."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.rates import DecayedRate
from stripwatch.worker.model.batch_policy import BatchLimits, BatchPolicy
from stripwatch.worker.model.session import WarmedBatch
from stripwatch.worker.pipeline.inspect.gather_batches import collect_batch
from tests.clock import ManualClock
from tests.models import make_model
from tests.worker.pipeline.inspect.scripted_queue import ScriptedQueue

SIZES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Device:
    """A run takes fixed_s, plus frame_s per frame up to cache_frames, plus slow_s per further frame."""

    fixed_s: float
    frame_s: float
    padded: bool = False
    cache_frames: int = 1000
    slow_s: float = 0.0

    def run_s(self, frames: int) -> float:
        size = next(size for size in SIZES if size >= frames) if self.padded else frames
        return self.fixed_s + self.frame_s * size + self.slow_s * max(0, size - self.cache_frames)

    @property
    def batches(self) -> list[WarmedBatch]:
        return [WarmedBatch(size, size / self.run_s(size)) for size in SIZES]

    @property
    def best_frames(self) -> int:
        return replace(make_model().session, batches=self.batches).best_batch_frames

    @property
    def capacity_fps(self) -> float:
        return self.best_frames / self.run_s(self.best_frames)

    def pace(self, **given: float) -> BatchPolicy:
        return BatchPolicy(self.batches, self.best_frames, self.padded, **given)


GPU = Device(0.004, 0.0005, padded=True)
SMALL_NETWORK = Device(0.00005, 0.0007, cache_frames=1, slow_s=0.0002)  # batch 1 beats the others, as measured
LARGE_NETWORK = Device(0.002, 0.01)
DEVICES = [GPU, SMALL_NETWORK, LARGE_NETWORK]

Policy = Callable[[int, float], BatchLimits]


@dataclass(frozen=True)
class Run:
    frames_per_second: float
    p99_s: float
    busy_s: float


def simulate(arrivals_s: Sequence[float], device: Device, policy: Policy) -> Run:
    """Simulate frames that arrive at given times and one device that runs batches formed like the worker's."""
    clock, rate, waits_s, busy_s = ManualClock(), DecayedRate(), [], 0.0
    frames = ScriptedQueue(clock, arrivals_s)
    taken = 0
    while taken < len(arrivals_s):
        first = frames.head(max(0.0, arrivals_s[taken] - clock.now_s))
        assert first is not None
        there = int(np.searchsorted(arrivals_s, clock.now_s, side="right"))
        batch = collect_batch(first, frames, policy(max(1, there - taken), rate.count(0, clock.now_s)), clock)
        taken += len(batch)
        rate.count(len(batch), clock.now_s)
        busy_s += device.run_s(len(batch))
        clock.now_s += device.run_s(len(batch))
        waits_s += [clock.now_s - arrivals_s[number] for number in batch]
    return Run(len(waits_s) / (clock.now_s - arrivals_s[0]), float(np.quantile(waits_s, 0.99)), busy_s)


def arrivals(load: str, device: Device, frames: int = 800) -> list[float]:
    """Return arrival times: Poisson at a share of the device's capacity, or bursts of 40 frames at half of it."""
    capacity_fps = device.capacity_fps
    if load == "bursty":
        return [burst * 40 / (capacity_fps / 2) for burst in range(frames // 40) for _ in range(40)]
    share = {"low": 0.1, "medium": 0.5, "saturating": 1.5}[load]
    gaps_s = np.random.default_rng(0).exponential(1 / (share * capacity_fps), frames)
    return [float(at_s) for at_s in np.cumsum(gaps_s)]


def fixed(frames_max: int, linger_s: float) -> Policy:
    return lambda *_: BatchLimits(frames_max, linger_s)


@cache
def learned(device: Device, load: str) -> Run:
    return simulate(arrivals(load, device), device, device.pace().limits)


@pytest.mark.parametrize("device", DEVICES, ids=["gpu", "small", "large"])
@pytest.mark.parametrize("load", ["low", "medium", "saturating", "bursty"])
def test_no_fixed_setting_is_much_better_at_any_load(device: Device, load: str) -> None:
    arrivals_s = arrivals(load, device)
    others = [simulate(arrivals_s, device, fixed(size, linger_s)) for size in SIZES for linger_s in (0.0, 0.002, 0.01)]
    assert learned(device, load).frames_per_second >= 0.97 * max(run.frames_per_second for run in others)
    assert learned(device, load).p99_s <= 1.05 * min(run.p99_s for run in others)


@pytest.mark.parametrize(("size", "linger_s"), list(itertools.product(SIZES, (0.0, 0.002, 0.01))))
def test_each_fixed_setting_is_worse_on_some_device_at_some_load(size: int, linger_s: float) -> None:
    """Therefore no fixed value is right everywhere."""
    ratios = []
    for device, load in itertools.product(DEVICES, ("medium", "saturating")):
        arrivals_s = arrivals(load, device)
        ratios.append(simulate(arrivals_s, device, fixed(size, linger_s)).p99_s / learned(device, load).p99_s)
    assert max(ratios) > 1.1


def test_a_latency_target_saves_device_time_and_is_met() -> None:
    arrivals_s, target_s = arrivals("medium", GPU), 0.05
    at_once = simulate(arrivals_s, GPU, GPU.pace().limits)
    patient = simulate(arrivals_s, GPU, GPU.pace(target_s=target_s).limits)
    assert patient.busy_s < 0.9 * at_once.busy_s
    assert patient.p99_s <= target_s


def test_a_target_without_spare_time_changes_nothing() -> None:
    pace = GPU.pace(target_s=1.9 * GPU.run_s(16))
    assert pace.limits(3, 1000.0) == GPU.pace().limits(3, 1000.0)


def test_does_not_linger_if_no_frame_would_arrive() -> None:
    pace = GPU.pace(target_s=0.1)
    assert pace.limits(1, rate_fps=5.0).linger_s_max == 0
    assert pace.limits(1, rate_fps=50.0) == BatchLimits(16, 0.1 - 2 * (16 / GPU.batches[-1].frames_per_second))
    assert pace.limits(16, rate_fps=50.0).linger_s_max == 0


def test_uses_the_linger_time_of_the_settings() -> None:
    assert GPU.pace(linger_s=0.02, target_s=9.0).limits(1, 0.0) == BatchLimits(16, 0.02)
    assert GPU.pace(linger_s=0.0, target_s=9.0).limits(3, 500.0) == BatchLimits(3, 0.0)


def test_splits_waiting_frames_if_two_runs_are_faster() -> None:
    assert [GPU.pace().limits(waiting, 0.0).frames_max for waiting in (1, 5, 9, 12, 13, 99)] == [1, 5, 8, 8, 13, 16]
    assert [SMALL_NETWORK.pace().limits(waiting, 0.0).frames_max for waiting in (1, 2, 9, 99)] == [1, 1, 1, 1]
    assert LARGE_NETWORK.pace().limits(99, 0.0).frames_max == LARGE_NETWORK.best_frames == 8


@given(st.lists(st.floats(0.5, 2), min_size=5, max_size=5), st.sampled_from(SIZES), st.integers(1, 99), st.booleans())
def test_a_batch_never_exceeds_the_waiting_frames_or_the_best_size(
    noise: list[float], best: int, waiting: int, padded: bool
) -> None:
    batches = [WarmedBatch(size, 100 * factor) for size, factor in zip(SIZES, noise, strict=True)]
    assert 1 <= BatchPolicy(batches, best, padded).limits(waiting, 10.0).frames_max <= min(best, waiting)


def test_the_rate_follows_the_arrivals() -> None:
    rate = DecayedRate()
    steady = [rate.count(2, number / 50) for number in range(500)]
    assert steady[-1] == pytest.approx(100, rel=0.03)
    assert rate.count(0, 10.0 + 3.0) < 6
