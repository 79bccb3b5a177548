"""Run the worker at 95 % of its capacity with cameras on the same machine; measure the growth of lag and memory."""

import time
from dataclasses import dataclass

from kafka.structs import TopicPartition

from stripwatch.worker.common.process.usage import resident_mb
from tests.benchmarks.peers.cameras import PARTITIONS
from tests.benchmarks.peers.contenders import WORKER
from tests.benchmarks.peers.lap import Driven, Track, driven

LOAD = 0.95
OVERLOAD = 1.1
RSS_RATIO_MAX = 1.05
CAPACITY_S = 20.0
LOOKS = 40
GROWTH_S_MAX = 0.5  # growth of lag in seconds of frames; smaller changes are fluctuation


@dataclass(frozen=True, slots=True)
class Soaked:
    """Result. lag_frames, rss_mb: means of the first and the last quarter, without the first eighth of the run."""

    minutes: float
    rate_fps: float
    lag_frames: tuple[float, float]
    rss_mb: tuple[float, float]

    @property
    def rss_ratio(self) -> float:
        return round(self.rss_mb[1] / self.rss_mb[0], 4)

    @property
    def lag_growth_s(self) -> float:
        return round((self.lag_frames[1] - self.lag_frames[0]) / self.rate_fps, 3)


def soak(track: Track, saturated_fps: float, minutes: float) -> Soaked:
    """Run the worker at 95 % of its capacity. Raises LapError."""
    rate_fps = LOAD * live_capacity(track, saturated_fps)
    looks: list[tuple[float, float]] = []
    due_s = 0.0

    def look(run: Driven) -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + 60 * minutes / LOOKS
            looks.append((_lag(track, run), resident_mb(*run.pids) or 0.0))

    with driven(WORKER, WORKER.settings[0], track, rate_fps, 60 * minutes) as run:
        run.play(look)
    held = looks[LOOKS // 8 : LOOKS]
    quarter = max(1, len(held) // 4)
    lag, rss = ([look[at] for look in held] for at in (0, 1))
    return Soaked(minutes, rate_fps, _ends(lag, quarter), _ends(rss, quarter))


def live_capacity(track: Track, saturated_fps: float) -> float:
    """Measure results per second while cameras on this machine send more than the worker can inspect."""
    with driven(WORKER, WORKER.settings[0], track, OVERLOAD * saturated_fps, CAPACITY_S) as run:
        began, began_s = run.results.count(), time.monotonic()
        run.await_cameras()
        return (run.results.count() - began) / (time.monotonic() - began_s)


def _lag(track: Track, run: Driven) -> float:
    partitions = [TopicPartition(run.frames_topic, number) for number in range(PARTITIONS)]
    return float(sum(track.consumer.end_offsets(partitions).values()) - run.results.count())


def _ends(values: list[float], quarter: int) -> tuple[float, float]:
    first, last = values[:quarter], values[-quarter:]
    return round(sum(first) / len(first), 1), round(sum(last) / len(last), 1)
