"""Soak test: measure the capacity, apply the load, replace the model every minute, and evaluate."""

import itertools
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, running_worker
from tests.faults.models import Models, make_models, place
from tests.soak.feed import Feed, Sample
from tests.soak.held import Held, pinned, slope, steadily_held_by

LOAD = 0.8
RSS_GROWTH_MAX = 0.05  # largest rise of the line fitted to resident memory, as a ratio
LAG_GROWTH_S_MAX = 1.0  # largest change of the line fitted to the waiting frames, in seconds of load
SETTLE_MINUTES_MAX = 5.0  # samples count from here on, or from a third of a shorter run
CAPACITY_S_MAX = 20.0


@dataclass(frozen=True, slots=True)
class Span:
    """The time of one model. until_s: seconds since the load began. sent: frames sent in total."""

    until_s: float
    sent: int
    waiting_frames: int
    held: Held


@dataclass(frozen=True, slots=True)
class Soak:
    """Result of a soak.

    settled: resources after the first minutes. end: resources after the last result. worker_cores: cores reserved for
    the worker; empty if it shared all cores. rss_mb_per_hour: slope of resident memory after the first minutes.
    rss_growth: growth by that slope over the measured time, as a ratio of `settled`. lag_growth_s: growth of the
    waiting frames by their slope, in seconds of load. lag_s_max: most waiting frames, in seconds of load.
    models_placed: number of bundles written to the bundle's path. models_run: number of those that were in use before
    the next one was written.
    """

    minutes: float
    capacity_frames_per_second: float
    frames_per_second: float
    sent: int
    results: int
    models_placed: int
    models_run: int
    worker_cores: list[int]
    rss_mb_min: float
    rss_mb_max: float
    rss_mb_per_hour: float
    rss_growth: float
    lag_growth_s: float
    lag_s_max: float
    settled: Held
    end: Held
    spans: list[Span]

    @property
    def left_over(self) -> list[str]:
        """Names of the resources that grew."""
        return [
            name for name in ("threads", "files", "sockets") if getattr(self.end, name) > getattr(self.settled, name)
        ]

    @property
    def sound(self) -> bool:
        complete = self.results == self.sent and self.models_run == self.models_placed
        flat = self.rss_growth <= RSS_GROWTH_MAX and abs(self.lag_growth_s) <= LAG_GROWTH_S_MAX
        return complete and flat and not self.left_over


def soak(broker: BrokerHandle, folder: Path, minutes: float, swap_s: float, worker_cores: Sequence[int] = ()) -> Soak:
    """Run the soak with one worker on new topics; replace its model every swap_s seconds.

    Raises BrokerUnavailableError or SenderTooSlowError.
    """
    models = make_models(folder)
    bundle = folder / "current.onnx"
    bundle.write_bytes(next(iter(models.good.values())))
    line = Line.on(broker)
    settings = ("--set", "bundle_check_s=0.5", "--set", "inference_threads=1")
    with ExitStack() as stack:
        with pinned(worker_cores):
            worker = stack.enter_context(running_worker(line, bundle, broker.new_name("group"), *settings))
        port = worker.await_ready()
        with broker.producer(linger_ms=5) as producer:
            feed = Feed(producer, line, port, worker.process.pid)
            soaked = _play(feed, models, bundle, 60 * minutes, swap_s, bool(worker_cores))
        if worker.stop() != 0:
            raise BrokerUnavailableError(f"the worker failed: {worker.lines[-1]}")
    return soaked


def _play(feed: Feed, models: Models, bundle: Path, seconds: float, swap_s: float, alone: bool) -> Soak:
    """Send frames in whole spans between two reloads, so that each model has the time to be loaded.

    alone: the worker has separate cores.
    """
    capacity = feed.capacity(min(CAPACITY_S_MAX, seconds / 10))
    print(f"capacity: {capacity:.0f} frames per second", file=sys.stderr)
    load, warm_up, began_s = LOAD * capacity, feed.sent, time.monotonic()
    count = max(3, round(seconds / swap_s))
    settled_after = max(1, round(min(60 * SETTLE_MINUTES_MAX, seconds / 3) / swap_s))
    spans: list[Span] = []
    run = 0
    for number, (sha256, content) in zip(range(1, count + 1), itertools.cycle(models.good.items()), strict=False):
        place(bundle, content)
        feed.play(load, warm_up, began_s, began_s + number * swap_s)
        run += feed.model == sha256
        span = Span(number * swap_s, feed.sent - warm_up, feed.sent - feed.results, steadily_held_by(feed.pid))
        spans.append(span)
        left_min = (count - number) * swap_s / 60
        print(f"{span.until_s:g} s: {span.sent} frames, {span.held}; {left_min:.1f} min left", file=sys.stderr)
    feed.producer.flush()
    sent_s = time.monotonic() - began_s
    feed.await_results(feed.sent)
    settled = spans[settled_after - 1]
    samples = [sample for sample in feed.samples if sample.at_s >= began_s + settled.until_s]
    rss_per_s, lag_per_s = _slopes(samples)
    measured_s = samples[-1].at_s - samples[0].at_s
    return Soak(
        minutes=round(count * swap_s / 60, 2),
        capacity_frames_per_second=round(capacity, 1),
        frames_per_second=round((feed.sent - warm_up) / sent_s, 1),
        sent=feed.sent,
        results=feed.results,
        models_placed=count,
        models_run=run,
        worker_cores=sorted(os.sched_getaffinity(feed.pid)) if alone else [],
        rss_mb_min=min(sample.rss_mb for sample in samples),
        rss_mb_max=max(sample.rss_mb for sample in samples),
        rss_mb_per_hour=round(3600 * rss_per_s, 2),
        rss_growth=round(rss_per_s * measured_s / settled.held.rss_mb, 4),
        lag_growth_s=round(lag_per_s * measured_s / load, 3),
        lag_s_max=round(max(sample.waiting_frames for sample in samples) / load, 3),
        settled=settled.held,
        end=steadily_held_by(feed.pid),
        spans=spans,
    )


def _slopes(samples: Sequence[Sample]) -> tuple[float, float]:
    """Return the slopes of resident memory (MB per second) and of waiting frames (per second)."""
    rss = slope([(sample.at_s, sample.rss_mb) for sample in samples])
    return rss, slope([(sample.at_s, sample.waiting_frames) for sample in samples])
