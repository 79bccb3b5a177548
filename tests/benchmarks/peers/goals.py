"""Goals of the project, each a ratio of two figures of the same round, and the measurements for them."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from stripwatch.worker.bench.capacity import FrameCosts, cpu_limit
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.common.terminal.console import say
from tests.benchmarks.delivery import DELIVERIES, measure
from tests.benchmarks.peers.contenders import CORES, FIRST, TUNED, WORKER, Contender
from tests.benchmarks.peers.lap import LapError, Track, pace, race
from tests.benchmarks.peers.limits import inference_alone_fps, one_of_each_ms, steps_alone
from tests.benchmarks.peers.meet import Entry, ratios
from tests.benchmarks.peers.soak import GROWTH_S_MAX, RSS_RATIO_MAX, soak
from tests.e2e.line import Line
from tests.tiny import encode_frame, write_bundle

HALF, MOST = 0.5, 0.8


class Goal(msgspec.Struct):
    """A goal. values: one per round. goal: minimum of their median, or its maximum if `ceiling` is set."""

    figure: str
    goal: float
    values: list[float]
    ceiling: bool = False
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> bool | None:
        """Return whether the goal is met; None if it was not measured."""
        if self.median is None:
            return None
        return self.median <= self.goal if self.ceiling else self.median >= self.goal


def over_others(track: str, entries: Sequence[Entry], first_goal: float) -> list[Goal]:
    """Return the goals that compare the worker with the loops and with the best framework by median."""
    by_name = {entry.name: entry for entry in entries}
    worker = by_name[WORKER.name]

    def over(name: str, goal: float, what: str) -> Goal:
        found = ratios(worker, by_name[name]) if name in by_name else []
        return Goal(f"worker / {what}, {track}", goal, found)

    frameworks = [entry for entry in entries if entry.framework and entry.median]
    best = max(frameworks, key=lambda entry: entry.median or 0.0, default=None)
    named = f"best framework ({best.name})" if best else "best framework"
    return [
        over(FIRST.name, first_goal, "first-written loop"),
        over(best.name if best else "", 1.3, named),
        over(TUNED.name, 0.95, "hand-tuned loop"),
    ]


class CpuLimit:
    """Goal of the worker's rate as a ratio of the CPU limit.

    Called after each round: measures the steps alone, and compares the worker's lap with the limit they imply.
    """

    def __init__(self, track: Track) -> None:
        self._track = track
        self._costs: list[FrameCosts] = []
        self._laps_cpu_ms: list[float] = []
        self.goal = Goal(f"worker / CPU limit, {track.name}", 0.92, [])

    def __call__(self, entries: list[Entry]) -> None:
        lap = next(entry for entry in entries if entry.name == WORKER.name).laps[-1]
        if lap is None:
            return
        costs = steps_alone(self._track).costs(lap.broker_cpu_s_per_frame)
        self._costs.append(costs)
        limit_fps = cpu_limit(costs, CORES)
        self.goal.values.append(lap.frames_per_second / limit_fps)
        self._laps_cpu_ms.append(1000 * (lap.cpu_s_per_frame or 0.0))
        self.goal.note = self._note()
        say(f"{self._track.name}, CPU limit: {limit_fps:.0f} frames/s, worker at {self.goal.values[-1]:.2f} of it")

    def _note(self) -> str:
        """Return the median costs, which show the cause if the goal is missed."""
        steps = {
            name.removesuffix("_s"): statistics.median([1000 * getattr(costs, name) or 0.0 for costs in self._costs])
            for name in ("consume_s", "decode_s", "inference_s", "publish_s")
        }
        alone = ", ".join(f"{name} {ms:.2f}" for name, ms in steps.items())
        broker = statistics.median([1000 * (costs.broker_s or 0.0) for costs in self._costs])
        worker = statistics.median(self._laps_cpu_ms)
        return f"CPU ms per frame: {alone}, sum {sum(steps.values()):.2f}; broker {broker:.2f}; worker {worker:.2f}"


def latency(track: Track, entries: Sequence[Entry], rounds: int, seconds: float) -> list[Goal]:
    """Compare the p99 latency at half load with one of each step, and at 80 % of the tuned loop's rate with its own."""
    by_name = {entry.name: entry for entry in entries}
    worker, tuned = by_name[WORKER.name], by_name.get(TUNED.name)
    half = Goal(f"p99 latency at half load / one of each step, {track.name}", 3.0, [], ceiling=True)
    most = Goal(f"p99 latency at 80 % / that of the tuned loop, {track.name}", 1.0, [], ceiling=True)
    if worker.median is None:
        return [half, most]
    for _ in range(rounds):
        one_ms = one_of_each_ms(track)
        p99_ms = _p99(WORKER, worker, track, HALF * worker.median, seconds)
        if p99_ms is not None:
            half.values.append(p99_ms / one_ms)
            half.note = f"last: {p99_ms:.1f} ms / {one_ms:.2f} ms"
        if tuned is None or tuned.median is None:
            continue
        ours, theirs = (
            _p99(contender, entry, track, MOST * tuned.median, seconds)
            for contender, entry in ((WORKER, worker), (TUNED, tuned))
        )
        if ours is not None and theirs is not None:
            most.values.append(ours / theirs)
            most.note = f"last: {ours:.1f} ms / {theirs:.1f} ms"
    return [half, most]


def _p99(contender: Contender, entry: Entry, track: Track, rate_fps: float, seconds: float) -> float | None:
    if entry.setting is None:
        return None
    try:
        found = pace(contender, entry.setting, track, rate_fps, seconds)
    except LapError as error:
        say(f"{track.name}, {contender.name} at {rate_fps:.0f} frames/s: failed: {str(error)[:300]}")
        return None
    p50_ms, p99_ms = np.percentile(found, [50, 99])
    say(f"{track.name}, {contender.name} at {rate_fps:.0f} frames/s: p50 {p50_ms:.1f}, p99 {p99_ms:.1f} ms")
    return float(p99_ms)


def heavy_model(track: Track, rounds: int) -> Goal:
    """Measure the worker against ONNX Runtime alone, in turn."""
    goal = Goal(f"worker / ONNX Runtime alone, {track.name}", 0.95, [])
    for _ in range(rounds):
        alone_fps = inference_alone_fps(track)
        try:
            lap = race(WORKER, WORKER.settings[0], track, track.count)
        except LapError as error:
            say(f"{track.name}: failed: {str(error)[:300]}")
            continue
        goal.values.append(lap.frames_per_second / alone_fps)
        goal.note = f"last: {lap.frames_per_second:.1f} of {alone_fps:.1f} frames/s"
        say(f"{track.name}, {goal.note}")
    return goal


def deliveries(track: Track, folder: Path, rounds: int, count: int) -> Goal:
    """Measure exactly-once against at-least-once with a tiny model, so that delivery dominates the cost."""
    bundle = write_bundle(folder / "tiny.onnx")
    line = Line.on(track.handle)
    line.send([encode_frame(n % 100 / 100, seed=n % 100) for n in range(count)], key=b"a")
    goal = Goal("exactly-once / at-least-once, tiny frames", 0.9, [])
    for _ in range(rounds):
        try:
            rates = {delivery: measure(line, bundle, delivery, count) for delivery in DELIVERIES}
        except (BrokerUnavailableError, AssertionError) as error:  # the latter: its worker ended
            say(f"delivery: failed: {str(error)[:300]}")
            continue
        goal.values.append(rates["exactly-once"] / rates["at-least-once"])
        say(f"delivery: {rates['exactly-once']:.0f} / {rates['at-least-once']:.0f} frames/s")
    return goal


def long_run(track: Track, worker: Entry, minutes: float) -> list[Goal]:
    """Measure the growth of memory (as a ratio) and of lag (in seconds of frames) over a long run."""
    where = f"after {minutes:g} minutes at 95 % of capacity, {track.name}"
    memory = Goal(f"memory {where} / at the start", RSS_RATIO_MAX, [], ceiling=True)
    lag = Goal(f"lag {where}, increase in seconds", GROWTH_S_MAX, [], ceiling=True)
    try:
        if worker.median is not None:
            soaked = soak(track, worker.median, minutes)
            memory.values, lag.values = [soaked.rss_ratio], [soaked.lag_growth_s]
            memory.note = f"{soaked.rss_mb[0]:.0f}, then {soaked.rss_mb[1]:.0f} MB"
            lag.note = f"at {soaked.rate_fps:.0f} frames/s {soaked.lag_frames[0]:.0f}, then {soaked.lag_frames[1]:.0f}"
    except LapError as error:
        memory.note = lag.note = " ".join(str(error).split())[:300]
    return [memory, lag]
