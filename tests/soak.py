"""A worker at 80 % of what it can do, with a new model every minute: does it grow? `python -m tests.soak --help`."""

import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated

import typer
from kafka import KafkaProducer

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.brokers.apache import KafkaUnavailableError, apache_broker
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, fetch, running_worker
from tests.faults.models import Models, make_models, place
from tests.tiny import encode_frame

LOAD = 0.8
RSS_GROWTH_MAX = 0.05  # memory is flat when the line through its samples rises by no more than this share in all
SETTLE_MINUTES_MAX = 5.0  # what is held counts from here on, or from a third of a shorter run
CAPACITY_FRAMES = 3_000
WAIT_S_MAX = 120.0
SESSION_MS = 6_000
_TICK_S = 0.05
_LOOK_S = 0.02
_SAMPLE_S = 5.0
_LOOKS = 20
_ENCODED = [encode_frame(number / 100, seed=number) for number in range(100)]
_RESULTS = re.compile(r"^stripwatch_results_total{.*} (\S+)$", re.MULTILINE)
_SHA256 = re.compile(r'^stripwatch_bundle_info{.*sha256="(\w+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds, by /proc."""

    rss_mb: float
    threads: int
    files: int
    sockets: int


@dataclass(frozen=True, slots=True)
class Soak:
    """settled: how it stood after the first minutes. end: when all was sent and settled.

    worker_cores: those that nothing else ran on; empty: it shared them all. rss_mb_per_hour: the slope of its memory
    after the first minutes; rss_growth: what that makes of the time that was measured, as a share of `settled`.
    models_placed: at the bundle's path, one after the other. models_run: those that ran before the next one came.
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
    settled: Held
    end: Held

    @property
    def left_over(self) -> list[str]:
        """Of what there is more at the end."""
        return [
            name for name in ("threads", "files", "sockets") if getattr(self.end, name) > getattr(self.settled, name)
        ]

    @property
    def sound(self) -> bool:
        complete = self.results == self.sent and self.models_run == self.models_placed
        return complete and not self.left_over and self.rss_growth <= RSS_GROWTH_MAX


def held_by(pid: int) -> Held:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(str(entry.readlink()))
    sockets = sum(link.startswith("socket:") for link in links)
    return Held(round(int(status["VmRSS"].split()[0]) / 1024, 1), int(status["Threads"]), len(links) - sockets, sockets)


def steadily_held_by(pid: int) -> Held:
    """The least of several looks: a thread that answers a request, or loads a model, comes and goes."""
    looks = []
    for _ in range(_LOOKS):
        looks.append(held_by(pid))
        time.sleep(_LOOK_S)
    return Held(*(min(getattr(look, field.name) for look in looks) for field in fields(Held)))


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Of the line through points: the median of the slopes between any two (Theil-Sen), which no peak can bend."""
    pairs = itertools.combinations(samples, 2)
    return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs)


@contextmanager
def pinned(cores: Collection[int]) -> Iterator[None]:
    """What starts in the block, and this thread during it, runs on these cores alone; on any if there are none."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def split_cores() -> tuple[list[int], list[int]]:
    """Half for the worker, the rest for broker and sender; none of its own where there is one core."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    return (cores[-half:], cores[:-half]) if half else ([], cores)


@dataclass(slots=True)
class Feed:
    """Frames at a steady rate. port: of the worker's metrics. rss: of process `pid`, by the monotonic clock, MB."""

    producer: KafkaProducer
    line: Line
    port: int
    pid: int
    sent: int = 0
    rss: list[tuple[float, float]] = field(default_factory=list)

    def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            self.producer.send(
                self.line.topics["frames"],
                _ENCODED[number % len(_ENCODED)],
                partition=number % self.line.partitions,
                key=b"camera-%d" % (number % self.line.partitions),
            )
        self.sent += count

    def capacity(self) -> float:
        """Frames a second when all are there at once, the first of them left out."""
        self.send(CAPACITY_FRAMES)
        self.producer.flush()
        self.await_results(CAPACITY_FRAMES // 10)
        began, began_s = self.results, time.monotonic()
        self.await_results(self.sent)
        return (self.sent - began) / (time.monotonic() - began_s)

    def play(self, rate: float, until_s: float) -> None:
        """At a rate of frames a second until a time of the monotonic clock."""
        began, began_s = self.sent, time.monotonic()
        while (now_s := time.monotonic()) < until_s:
            self.send(began + round(rate * (now_s - began_s)) - self.sent)
            if not self.rss or now_s > self.rss[-1][0] + _SAMPLE_S:
                self.rss.append((now_s, held_by(self.pid).rss_mb))
            time.sleep(_TICK_S)

    def await_results(self, count: int) -> None:
        """For as long as more of them come: other work on the machine may have left many frames waiting."""
        seen, seen_s = -1, time.monotonic()
        while (results := self.results) < count:
            if results > seen:
                seen, seen_s = results, time.monotonic()
            elif time.monotonic() - seen_s > WAIT_S_MAX:
                raise BrokerUnavailableError(
                    f"{results} of {count} results are there, and no more came for {WAIT_S_MAX:g} s"
                )
            time.sleep(_LOOK_S)

    @property
    def results(self) -> int:
        return sum(round(float(value)) for value in _RESULTS.findall(fetch(self.port, "/metrics")[1]))

    @property
    def model(self) -> str:
        """The sha256 of the bundle that runs."""
        return "".join(_SHA256.findall(fetch(self.port, "/metrics")[1]))


def soak(broker: BrokerHandle, folder: Path, minutes: float, swap_s: float, worker_cores: Sequence[int] = ()) -> Soak:
    """One worker; group, topics and models are its own. A model is swapped every swap_s."""
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
            soaked = _play(feed, models, bundle, 60 * minutes, swap_s, worker_cores)
        if worker.stop() != 0:
            raise BrokerUnavailableError(f"the worker ended badly: {worker.lines[-1]}")
    return soaked


def _play(feed: Feed, models: Models, bundle: Path, seconds: float, swap_s: float, worker_cores: Sequence[int]) -> Soak:
    """Whole spans between two swaps, so that each model has the time to be loaded."""
    capacity, warm_up, began_s = feed.capacity(), feed.sent, time.monotonic()
    spans = max(3, round(seconds / swap_s))
    settled_after = max(1, round(min(60 * SETTLE_MINUTES_MAX, seconds / 3) / swap_s))
    held, run = [], 0
    for span, (sha256, content) in zip(range(1, spans + 1), itertools.cycle(models.good.items()), strict=False):
        place(bundle, content)
        feed.play(LOAD * capacity, began_s + span * swap_s)
        run += feed.model == sha256
        held.append(steadily_held_by(feed.pid))
        print(f"{span * swap_s:g} s: {feed.sent - warm_up} frames, {held[-1]}", file=sys.stderr)
    feed.producer.flush()
    sent_s = time.monotonic() - began_s
    feed.await_results(feed.sent)
    settled, settled_s = held[settled_after - 1], began_s + settled_after * swap_s
    rss = [sample for sample in feed.rss if sample[0] >= settled_s]
    per_s = slope(rss)
    return Soak(
        minutes=round(spans * swap_s / 60, 2),
        capacity_frames_per_second=round(capacity, 1),
        frames_per_second=round((feed.sent - warm_up) / sent_s, 1),
        sent=feed.sent,
        results=feed.results,
        models_placed=spans,
        models_run=run,
        worker_cores=list(worker_cores),
        rss_mb_min=min(mb for _, mb in rss),
        rss_mb_max=max(mb for _, mb in rss),
        rss_mb_per_hour=round(3600 * per_s, 2),
        rss_growth=round(per_s * (rss[-1][0] - rss[0][0]) / settled.rss_mb, 4),
        settled=settled,
        end=steadily_held_by(feed.pid),
    )


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to send frames.")] = 30.0,
    swap_s: Annotated[float, typer.Option(min=3.0, help="Seconds between two models.")] = 60.0,
) -> None:
    """Let one worker run for long on Apache Kafka, and see whether it grows.

    It gets 80 % of the frames that it has just been seen to manage, and another model every minute. It has half of the
    cores for itself, and broker and sender the others. Its memory is sampled every 5 s; the line through the samples
    from the fifth minute on (the median of all slopes between two) may rise by 5 % in all. No thread, file or socket
    may be left over.

    Exit code 1: it grew, or frames or models are missing. 4: nothing was measured.

    Example: python -m tests.soak --minutes 3 --swap-s 10
    """
    try:
        worker_cores, others = split_cores()
        with (
            pinned(others),
            apache_broker() as running,
            tempfile.TemporaryDirectory(prefix="stripwatch-soak-") as folder,
        ):
            broker = BrokerHandle("apache", running.bootstrap_servers, SESSION_MS)
            soaked = soak(broker, Path(folder), minutes, swap_s, worker_cores)
    except (KafkaUnavailableError, BrokerUnavailableError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(BrokerUnavailableError.exit_code) from error
    own = {"left_over": soaked.left_over, "sound": soaked.sound}
    print(json.dumps(asdict(soaked) | own))
    raise typer.Exit(0 if soaked.sound else 1)


if __name__ == "__main__":
    typer.run(main)
