"""Run one step of a GPU run: `python -m tests.gpu.steps KIND MODEL --provider cuda --models DIR`.

It prints one JSON line per row. Each step runs in a separate process, so that a crash or a hang does not affect other
steps or leave GPU memory in use.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, cast

import cv2
import numpy as np
import onnxruntime as ort
import typer

from stripwatch.export.bench.bundle_bench import EXECUTIONS, Device
from stripwatch.export.bench.timing import measure_speeds
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.common.process.usage import resident_mb
from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.io_binding import CudaRun
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.providers import ExecutionOptions
from stripwatch.worker.model.session import Session
from stripwatch.worker.simulator.simulate import parse_shape, render_pool
from tests.gpu import worker_steps
from tests.gpu.machine import gpu_memory_mb
from tests.gpu.plan import OTHER, ProviderName
from tests.gpu.rows import Row, emit, measured, not_measured
from tests.gpu.setup import Setup

SEED = 20_260_002
_NO_GPU = "the run used the CPU"


def speed(setup: Setup) -> Iterator[Row]:
    """Measure images per second by batch size for each execution mode; the self-test uses the same mode."""
    if setup.provider == "cpu":
        yield _speed(setup, "cpu")
    for device in ("cuda", "cuda-bound", "cuda-graph"):
        yield not_measured(device, _NO_GPU) if setup.provider == "cpu" else _speed(setup, device)


def tensorrt(setup: Setup) -> Iterator[Row]:
    """Measure the same as `speed` with TensorRT, after building the engine."""
    if "TensorrtExecutionProvider" not in ort.get_available_providers() or setup.provider == "cpu":
        yield not_measured("tensorrt", "TensorRT is not available" if setup.provider == "cuda" else _NO_GPU)
        return
    yield _speed(setup, "tensorrt")


def _speed(setup: Setup, device: Device) -> Row:
    """Measure one execution mode. A mode that fails gives a row too, so that the others still run."""
    provider, execution = EXECUTIONS[device]
    sizes, before_mb, started_s = setup.sizes.batch_sizes, gpu_memory_mb(), time.perf_counter()
    try:
        session = open_session(setup.bundle, provider, 0, max(sizes), execution=execution)
        open_s = time.perf_counter() - started_s
        speeds = measure_speeds([session], sizes, setup.sizes.bench_s, lambda: None)[0]
    except StripwatchError as error:
        return not_measured(device, str(error))
    now_mb = gpu_memory_mb()
    used = "" if now_mb is None or before_mb is None else f", {now_mb - before_mb:.0f} MB on the GPU"
    tolerance = setup.bundle.manifest.score_tolerance
    golden = f"golden frames differ by {session.golden_difference:.2g} (tolerance {tolerance:.2g})"
    note = f"{golden}; opened and warmed up in {open_s:.1f} s{used}; p50 at batch 1: {speeds[0].latency_ms_p50} ms"
    rates = {f"batch {speed.batch_frames}": speed.frames_per_second for speed in speeds}
    return measured(device, "images/s", rates, note)


def in_flight(setup: Setup) -> Iterator[Row]:
    """Measure one, two and three batches in flight, each in its own thread, as in the worker."""
    runs: tuple[CudaRun, ...] = ("plain", "bound") if setup.provider == "cuda" else ("plain",)
    size = max(setup.sizes.batch_sizes) // 2
    for cuda_run in runs:
        rates = {}
        for count in (1, 2, 3):
            execution = ExecutionOptions(cuda_run, in_flight=count)
            session = open_session(setup.bundle, setup.provider, 0, size, execution=execution)
            rates[f"{count} in flight"] = _rate_of_threads(session, count, size, setup.sizes.flight_s)
        yield measured(f"{cuda_run}, batch {size}", "images/s", rates)


def _rate_of_threads(session: Session, threads: int, size: int, seconds: float) -> float:
    shape = session.bundle.manifest.decode.shape
    frames = np.random.default_rng(SEED).integers(0, 256, (size, *shape), np.uint8)
    started_s = time.perf_counter()
    ends_s = started_s + seconds

    def run() -> int:
        done = 0
        while time.perf_counter() < ends_s:
            session.predict(frames)
            done += size
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(future.result() for future in [pool.submit(run) for _ in range(threads)])
    return done / (time.perf_counter() - started_s)


def decoding(setup: Setup) -> Iterator[Row]:
    """Measure JPEG decoding to model pixels in threads of one process, as in the worker's decode pool."""
    cv2.setNumThreads(1)
    cores = os.cpu_count() or 1
    for shape in ("200x200", "256x1600"):
        encoded = [image.encoded for image in render_pool(16, parse_shape(shape), SEED, 0.3)]
        kb = sum(map(len, encoded)) / len(encoded) / 1000
        rates: dict[str, float] = {}
        for threads in sorted({1, 2, 4, cores // 2, cores} - {0}):
            rates[f"{threads} threads"] = _decode_rate(setup, encoded, threads)
        per_core = {"one core": rates["1 threads"]}
        yield measured(f"{shape}, {kb:.0f} KB", "frames/s", per_core | rates)


def _decode_rate(setup: Setup, encoded: list[bytes], threads: int) -> float:
    spec, ends_s = setup.bundle.manifest.decode, time.perf_counter() + setup.sizes.flight_s / 2
    started_s = time.perf_counter()

    def run() -> int:
        done = 0
        while time.perf_counter() < ends_s:
            decode(encoded[done % len(encoded)], spec)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(future.result() for future in [pool.submit(run) for _ in range(threads)])
    return done / (time.perf_counter() - started_s)


def batches(setup: Setup) -> Iterator[Row]:
    """Measure memory while the batch size changes all the time, as it does on a line."""
    most = max(setup.sizes.batch_sizes)
    session = open_session(setup.bundle, setup.provider, 0, most)
    frames = np.zeros((most, *setup.bundle.manifest.decode.shape), np.uint8)
    sizes = np.random.default_rng(SEED).integers(1, most + 1, setup.sizes.odd_batches)
    settled = setup.sizes.odd_batches // 10
    figures: dict[str, float | str | None] = {}
    for number, size in enumerate(sizes, 1):
        session.predict(frames[:size])
        if number in (settled, len(sizes)):
            figures[f"resident after {number}"] = resident_mb(os.getpid())
            figures[f"GPU after {number}"] = gpu_memory_mb()
    yield measured(f"{len(sizes)} batches of 1 to {most}", "MB", figures)


def swaps(setup: Setup) -> Iterator[Row]:
    """Measure a worker's memory over many model reloads."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.swap_memory",
        str(setup.path),
        str(setup.models / f"{OTHER}.onnx"),
    ]
    command += ["--swaps", str(setup.sizes.swaps), "--provider", setup.provider]
    command += ["--batch-frames-max", "2", "--frames", "40"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-500:])
    yield measured("two alternating models", "MB", worker_steps.last_json(done.stdout))


KINDS: dict[str, Callable[[Setup], Iterator[Row]]] = {
    "speed": speed,
    "tensorrt": tensorrt,
    "in_flight": in_flight,
    "decode": decoding,
    "batches": batches,
    "swaps": swaps,
    "worker": worker_steps.worker,
    "strips": worker_steps.strips,
    "shadow": worker_steps.shadow,
    "failed_provider": worker_steps.failed_provider,
}


def main(
    kind: str,
    model: str,
    provider: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    models: Annotated[Path, typer.Option(help="Folder of the bundles.")] = Path(".gpu/models"),
) -> None:
    """Run one step. Example: python -m tests.gpu.steps speed efficientnetb0-fp16 --provider cpu"""
    set_up_logs("auto", "error")
    figures = 0
    try:
        for row in KINDS[kind](Setup(models, model, cast(ProviderName, provider))):
            emit(row)
            figures += len(row["figures"])
    except StripwatchError as error:
        sys.exit(str(error))
    if provider == "cuda" and not figures:  # a failed step is run again by the next run
        sys.exit("no execution mode could be measured")


if __name__ == "__main__":
    typer.run(main)
