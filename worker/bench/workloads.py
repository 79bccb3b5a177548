"""Runs a worker under load, with all frames waiting or at a camera's rate, and measures its speed and cost."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripwatch.worker.bench.embedded_broker import Broker
from stripwatch.worker.bench.results_tally import ResultsTally, read_sent
from stripwatch.worker.bench.results_watch import consume_into, scrape_families
from stripwatch.worker.bench.worker_process import await_ready, child_environment, stop_in_order, worker_command
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.consumers import FETCH_WAIT_MS, open_reader, read_from_beginning
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import LineRunError
from stripwatch.worker.common.process.child_process import ChildProcess, module_command, running_process
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.common.process.usage import cpu_seconds
from stripwatch.worker.config.security import PLAINTEXT, Security

_CAMERAS = 4
_POLL_S = 0.05
_STALL_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class BenchSetup:
    """The parameters shared by all loads of a benchmark. settings: worker settings, KEY=VALUE each."""

    bundle: Path
    broker: Broker
    settings: Sequence[str]
    clock: SystemClock
    security: Security = PLAINTEXT
    arguments: Sequence[str] = ()  # of the worker and the cameras

    @property
    def client(self) -> ClientConfig:
        return ClientConfig(self.broker.bootstrap_servers, self.security)


@dataclass(frozen=True, slots=True)
class SaturatedRun:
    """A run in which all frames were on the topic before the worker started.

    CPU seconds are None if the platform does not report them. device_busy_share: share of time in which a batch was on
    the device.
    """

    provider: str
    frames_per_second: float
    worker_cpu_s_per_frame: float | None
    broker_cpu_s_per_frame: float | None
    batch_frames_mean: float
    device_busy_share: float


@dataclass(frozen=True, slots=True)
class PacedRun:
    """A run at a fixed rate. offered_fps: rate of all cameras. Latency: from capture until a reader has the result."""

    offered_fps: float
    frames: int
    latency_ms_p50: float | None
    latency_ms_p95: float | None
    latency_ms_p99: float | None


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The worker's counters at a moment."""

    at_s: float
    done: float
    batches: float
    batched: float
    busy_s: float


@dataclass(frozen=True, slots=True)
class _Spent:
    """CPU seconds used by the worker and the broker so far."""

    worker_s: float | None
    broker_s: float | None


def saturate(setup: BenchSetup, topics: Mapping[str, str], count: int, skip: int = 0) -> SaturatedRun:
    """Measure a new consumer group that inspects the `count` frames on its topic. Raises LineRunError if it stalls.

    skip: number of frames settled before the measurement starts, while several processes may still be joining.
    """
    with _running_worker(setup, topics) as worker:
        first, now, moved_s = None, worker.moment(), time.monotonic()
        spent = worker.spent()
        while now.done < count:
            setup.clock.sleep(_POLL_S)
            before, now = now, worker.moment()
            moved_s = now.at_s if now.done > before.done else moved_s
            worker.check(moved_s)
            if first is None and now.done > skip:  # reading the CPU time at every poll would itself use CPU
                first, spent = now, worker.spent()
        if first is None or first.done == now.done:
            raise LineRunError(f"{count} frames are too few for a measurement; raise --count")
        return _between((first, spent), (now, worker.spent()), worker.provider)


def pace(
    setup: BenchSetup, topics: Mapping[str, str], folder: Path, rates_fps: Sequence[float], s: float
) -> list[PacedRun]:
    """Measure latency at each rate (of all cameras together): cameras play the images of `folder` for `s` seconds."""
    kinds = [topics["results"], topics["rejects"]]
    with (
        _running_worker(setup, topics) as worker,
        open_reader(setup.client, fetch_wait_ms=FETCH_WAIT_MS) as reader,
    ):
        read_from_beginning(reader, kinds)
        return [_pace(setup, topics, worker, reader, folder, rate_fps, s) for rate_fps in rates_fps]


def _pace(
    setup: BenchSetup,
    topics: Mapping[str, str],
    worker: "_RunningWorker",
    reader: Any,
    folder: Path,
    rate_fps: float,
    s: float,
) -> PacedRun:
    tally, sent_file = ResultsTally(), folder.with_name(f"sent-{rate_fps:.3f}.jsonl")
    command = [
        *module_command("worker"),
        *("replay", str(folder), "--loop", "--seconds", str(s)),
        *("--bootstrap-servers", setup.broker.bootstrap_servers, "--topic", topics["frames"]),
        *("--cameras", str(_CAMERAS), "--rate", str(rate_fps / _CAMERAS), "--sent", str(sent_file)),
    ]
    with running_process("the cameras", [*command, *setup.arguments], child_environment(setup.security)) as cameras:
        while not cameras.ended:
            consume_into(tally, reader, topics["results"])
            worker.check(time.monotonic())
        stop_in_order(cameras)
    sent, moved_s = len(read_sent(sent_file)), time.monotonic()
    while (seen := tally.results + tally.rejects) < sent:
        consume_into(tally, reader, topics["results"])
        moved_s = time.monotonic() if tally.results + tally.rejects > seen else moved_s
        worker.check(moved_s)
    return PacedRun(sent / s, sent, tally.latency_ms(50), tally.latency_ms(95), tally.latency_ms(99))


@dataclass(frozen=True, slots=True)
class _RunningWorker:
    child: ChildProcess
    metrics_port: int
    provider: str
    setup: BenchSetup

    def check(self, moved_s: float) -> None:
        """Raise LineRunError if the worker exited or stalled, or the user interrupted.

        moved_s: monotonic time at which the last frame was settled.
        """
        if self.setup.clock.stopped:
            raise LineRunError("interrupted before the measurement was complete")
        if self.child.ended:
            raise LineRunError(f"the worker exited with code {self.child.process.returncode}{self.child.output_text()}")
        if time.monotonic() > moved_s + _STALL_S_MAX:
            raise LineRunError(f"the worker settled no frame for {_STALL_S_MAX:.0f} s{self.child.output_text()}")

    def moment(self) -> _Snapshot:
        families = scrape_families(self.metrics_port)

        def total(family: str, suffix: str) -> float:
            samples = families.get(f"stripwatch_{family}", [])
            return sum(sample.value for sample in samples if sample.name == f"stripwatch_{family}{suffix}")

        return _Snapshot(
            at_s=time.monotonic(),
            done=total("results", "_total") + total("rejects", "_total"),
            batches=total("batch_frames", "_count"),
            batched=total("batch_frames", "_sum"),
            busy_s=total("device_busy_seconds", "_total"),
        )

    def spent(self) -> _Spent:
        return _Spent(cpu_seconds(self.child.process.pid), cpu_seconds(self.setup.broker.pid))


@contextmanager
def _running_worker(setup: BenchSetup, topics: Mapping[str, str]) -> Iterator[_RunningWorker]:
    port = free_port()
    command = worker_command(setup.bundle, setup.broker.bootstrap_servers, topics, port, setup.settings)
    with running_process("the worker", [*command, *setup.arguments], child_environment(setup.security)) as child:
        yield _RunningWorker(child, port, await_ready(child, port, setup.clock), setup)
        stop_in_order(child)


def _between(begin: tuple[_Snapshot, _Spent], end: tuple[_Snapshot, _Spent], provider: str) -> SaturatedRun:
    (first, spent), (last, spent_by_end) = begin, end
    frames, seconds = last.done - first.done, last.at_s - first.at_s

    def per_frame(before_s: float | None, after_s: float | None) -> float | None:
        return None if before_s is None or after_s is None else (after_s - before_s) / frames

    return SaturatedRun(
        provider=provider,
        frames_per_second=frames / seconds,
        worker_cpu_s_per_frame=per_frame(spent.worker_s, spent_by_end.worker_s),
        broker_cpu_s_per_frame=per_frame(spent.broker_s, spent_by_end.broker_s),
        batch_frames_mean=(last.batched - first.batched) / max(1.0, last.batches - first.batches),
        device_busy_share=(last.busy_s - first.busy_s) / seconds,
    )
