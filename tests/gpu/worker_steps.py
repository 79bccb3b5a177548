"""Steps of a GPU run with a whole worker, which inspects frames that wait on the embedded broker."""

import itertools
import json
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from stripwatch.worker.bench.embedded_broker import Broker, embedded_broker
from stripwatch.worker.bench.stage_costs import measure_steps
from stripwatch.worker.bench.worker_process import worker_command
from stripwatch.worker.bench.workloads import BenchSetup, SaturatedRun, saturate
from stripwatch.worker.broker.admin import temporary_topics
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.producers import open_frame_producer
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.process.child_process import running_process
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts import topics as names
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.simulator.cameras import SimulatedLine, play
from stripwatch.worker.simulator.frame_sender import FrameSender
from stripwatch.worker.simulator.simulate import parse_shape, render_pool, repeat_pool
from tests.gpu.plan import OTHER
from tests.gpu.rows import Figure, Row, measured, not_measured
from tests.gpu.setup import Setup

BATCH_FRAMES_MAX = 32
_SEED = 20_260_002
_POOL_FRAMES = 64
_SETTLE = 0.2  # share of the frames that is skipped while processes join
_FILL = 1.2  # extra frames, so that no partition is empty before the run ends
_END_S_MAX = 60.0
_SAID_MAX = 300


class _Evenly:
    """Producer that sends frames to the partitions in turn, regardless of the camera."""

    def __init__(self, producer: Any, partitions: int) -> None:
        self._producer = producer
        self._turn = itertools.cycle(range(partitions))
        self.flush = producer.flush

    def send(self, topic: str, **record: Any) -> Any:
        return self._producer.send(topic, partition=next(self._turn), **record)


@contextmanager
def _line(setup: Setup, shape: str, count: int) -> Iterator[tuple[Broker, dict[str, str]]]:
    """Start a broker with `count` frames in the frames topic."""
    prefix, clock = f"gpu-{uuid4().hex[:8]}.", SystemClock()
    shots = render_pool(_POOL_FRAMES, parse_shape(shape), _SEED, 0.3)
    partitions = setup.sizes.partitions
    with (
        embedded_broker() as broker,
        temporary_topics(ClientConfig(broker.bootstrap_servers), prefix, partitions) as topics,
    ):
        with open_frame_producer(ClientConfig(broker.bootstrap_servers), topics["frames"]) as producer:
            sender = FrameSender(_Evenly(producer, partitions), topics["frames"], None)
            line = SimulatedLine(cameras=partitions, rate_fps=0, mm_per_frame=1000, coil="BENCH")
            play(itertools.islice(repeat_pool(shots, _SEED), count), line, sender.send, clock, math.inf)
            sender.finish()
        yield broker, topics | {"shadow": prefix + names.SHADOW}


def worker(setup: Setup) -> Iterator[Row]:
    """Measure the rate from JPEG to acknowledged event, by number of processes, and the limits of each part."""
    processes, per_process = setup.sizes.processes, setup.sizes.per_process
    limit = _limit_fps(setup)
    yield measured("limit: model alone", "images/s", {f"best batch up to {BATCH_FRAMES_MAX}": limit})
    with _line(setup, "200x200", math.ceil(_FILL * per_process * max(processes))) as (broker, topics):
        for count in processes:
            yield _row(f"{count} processes", setup, broker, topics, [f"processes={count}"], per_process * count, limit)
        yield _costs(setup, broker, topics)


def strips(setup: Setup) -> Iterator[Row]:
    """Measure the same with 256x1600 frames, which cost several times as much to decode."""
    most = max(setup.sizes.processes)
    count = setup.sizes.step_frames * (2 if setup.provider == "cuda" else 1)
    with _line(setup, "256x1600", math.ceil(_FILL * count)) as (broker, topics):
        what = f"256x1600, {most} processes"
        yield _row(what, setup, broker, topics, [f"processes={most}"], count, _limit_fps(setup))


def shadow(setup: Setup) -> Iterator[Row]:
    """Measure the cost of a shadow model in one process: without it, on a tenth of the frames, and on all frames."""
    count = setup.sizes.per_process
    second = [f"shadow.bundle={(setup.models / f'{OTHER}.onnx').resolve()}"]
    with _line(setup, "200x200", math.ceil(_FILL * count)) as (broker, topics):
        alone = None
        for what, settings in (
            ("no shadow", []),
            ("shadow on 10 % of frames", [*second, "shadow.share=0.1"]),
            ("shadow on all frames", [*second, "shadow.share=1"]),
        ):
            row = _row(what, setup, broker, topics, settings, count, None)
            rate = row["figures"].get("frames/s")
            if isinstance(rate, float):
                alone = alone or rate
                row["figures"]["ratio to no shadow"] = round(rate / alone, 4)
            yield row


def _row(
    what: str,
    setup: Setup,
    broker: Broker,
    topics: dict[str, str],
    settings: Sequence[str],
    count: int,
    limit_fps: float | None,
) -> Row:
    try:
        run = _saturate(setup, broker, topics, settings, count)
    except StripwatchError as error:
        return not_measured(what, str(error))
    share = {} if limit_fps is None else {"ratio to limit": run.frames_per_second / limit_fps}
    figures: dict[str, Figure] = {
        "frames/s": run.frames_per_second,
        **share,
        "worker CPU ms per frame": _ms(run.worker_cpu_s_per_frame),
        "broker CPU ms per frame": _ms(run.broker_cpu_s_per_frame),
        "batch": run.batch_frames_mean,
        "model busy": run.device_busy_share,
    }
    return measured(what, "", figures, run.provider)


def _saturate(
    setup: Setup, broker: Broker, topics: dict[str, str], settings: Sequence[str], count: int
) -> SaturatedRun:
    pairs = [f"provider={setup.provider}", f"batch_frames_max={BATCH_FRAMES_MAX}", *settings]
    bench = BenchSetup(setup.path, broker, pairs, SystemClock())
    return saturate(bench, topics, count, skip=round(_SETTLE * count))


def _costs(setup: Setup, broker: Broker, topics: dict[str, str]) -> Row:
    """Measure the CPU time of each part alone, and the lowest limit of one process."""
    settings = load_settings(None, {"bundle": setup.path, "provider": setup.provider})
    kept = {kind: name for kind, name in topics.items() if kind in Topics.model_fields}
    here = {"bootstrap_servers": broker.bootstrap_servers, "topics": Topics(**kept)}
    steps = measure_steps(settings.model_copy(update=here), setup.sizes.step_frames, topics["defects"])
    costs, limits = steps.costs(None), steps.limits(None, setup.provider == "cpu")
    figures: dict[str, Figure] = {
        "consume ms": _ms(costs.consume_s),
        "decode ms": _ms(costs.decode_s),
        "inference ms": _ms(costs.inference_s),
        "publish ms": _ms(costs.publish_s),
        "decoded frames/s per core": 1 / costs.decode_s,
        "read and decoded frames/s": limits.intake_fps,
        "lowest limit": limits.binding[0],
    }
    return measured(f"one process, {os.cpu_count()} cores: CPU per frame of each part alone", "", figures)


def failed_provider(setup: Setup) -> Iterator[Row]:
    """Measure how long a worker without a usable GPU takes to exit with an error message."""
    with embedded_broker() as broker, temporary_topics(ClientConfig(broker.bootstrap_servers), "gpu.", 1) as topics:
        for provider in ("cuda", "tensorrt"):
            pairs = (f"provider={provider}",)
            command = worker_command(setup.path, broker.bootstrap_servers, topics, free_port(), pairs)
            started_s = time.monotonic()
            hidden = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
            with running_process("the worker", command, hidden) as child:
                code = child.wait(_END_S_MAX)
                seconds = time.monotonic() - started_s
                said = child.output_text().rpartition("error: ")[2][-_SAID_MAX:]
            figures: dict[str, Figure] = {"time to exit": seconds, "exit code": code}
            yield measured(f"provider = {provider}, no GPU visible", "s", figures, said)


def _limit_fps(setup: Setup) -> float:
    session = open_session(setup.bundle, setup.provider, 0, BATCH_FRAMES_MAX)
    return max(batch.frames_per_second for batch in session.batches)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def last_json(text: str) -> dict[str, Figure]:
    """Return the JSON summary on the last line of a command's output."""
    summary: dict[str, Figure] = json.loads(text.splitlines()[-1])
    return summary
