"""Benchmark of bundles on this machine: throughput and latency by device and batch size."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import onnxruntime as ort
from rich.progress import Progress

from stripwatch.export.bench.timing import Speed, measure_speeds, rounds_of
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.process.cores import processor_name, usable_cores
from stripwatch.worker.contracts.model.model_record import Fidelity
from stripwatch.worker.model.bundle import HEATMAPS_NAME, Bundle, Precision
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.providers import DEFAULT_EXECUTION, ExecutionOptions, Provider, choose_provider
from stripwatch.worker.model.session import output_names

Device = Literal["cpu", "cuda", "cuda-bound", "cuda-graph", "tensorrt"]
EXECUTIONS: dict[Device, tuple[Provider, ExecutionOptions]] = {
    "cpu": ("cpu", DEFAULT_EXECUTION),
    "cuda": ("cuda", DEFAULT_EXECUTION),
    "cuda-bound": ("cuda", ExecutionOptions("bound")),
    "cuda-graph": ("cuda", ExecutionOptions("graph")),
    "tensorrt": ("tensorrt", DEFAULT_EXECUTION),
}


@dataclass(frozen=True, slots=True)
class BenchPlan:
    """Settings of a benchmark.

    seconds: duration for each bundle, device and batch size. threads: threads of ONNX Runtime on a CPU; 0 lets it
    choose. scores_only: measure each bundle with heatmaps a second time without them, which shows their cost.
    """

    batch_sizes: tuple[int, ...]
    seconds: float
    devices: tuple[Device, ...]
    threads: int = 0
    scores_only: bool = False


@dataclass(frozen=True, slots=True)
class BenchRow:
    """Result of one bundle on one device.

    speeds: empty for a precision that the accuracy gate rejected. refused: the reason for the rejection. scores_only:
    true if the bundle has heatmaps that were not computed.
    """

    bundle: str
    precision: Precision
    size_bytes: int | None
    fidelity: Fidelity | None
    device: Device | None = None
    scores_only: bool = False
    speeds: tuple[Speed, ...] = ()
    refused: str | None = None

    @property
    def first(self) -> Speed:
        return min(self.speeds, key=lambda speed: speed.batch_frames)

    @property
    def best(self) -> Speed:
        return max(self.speeds, key=lambda speed: speed.frames_per_second)


def devices_here() -> tuple[Device, ...]:
    """Return the devices that the installed ONNX Runtime supports, each in the worker's default execution mode."""
    return ("cpu", "cuda") if "CUDAExecutionProvider" in ort.get_available_providers() else ("cpu",)


def require_device(device: Device) -> None:
    """Raise SettingsError if the installed ONNX Runtime does not support a device."""
    try:
        choose_provider(EXECUTIONS[device][0])
    except SettingsError as error:
        raise SettingsError(f"--device {device}: {error}") from error


def bench_bundles(bundles: Sequence[Path], plan: BenchPlan, progress: Progress) -> list[BenchRow]:
    """Measure several bundles alternately and return one row per bundle and device.

    bundles: bundle files, or REGISTRY/NAME. Raises the worker's errors for an invalid bundle.
    """
    read = [variant for path in bundles for variant in _variants(load_resolved(resolve_bundle(path)), plan.scores_only)]
    rounds = rounds_of(len(read), len(plan.batch_sizes)) * len(plan.devices)
    task = progress.add_task(f"measuring {', '.join(sorted({path.name for path in bundles}))}", total=rounds)
    rows = []
    for device in plan.devices:
        provider, execution = EXECUTIONS[device]
        sessions = [
            open_session(each, provider, plan.threads, max(plan.batch_sizes), execution=execution) for each in read
        ]
        speeds = measure_speeds(sessions, plan.batch_sizes, plan.seconds, lambda: progress.advance(task))
        rows += [_row(bundle, device, found) for bundle, found in zip(read, speeds, strict=True)]
    return rows


def _variants(bundle: Bundle, scores_only: bool) -> list[Bundle]:
    """Return the bundle, and a variant without heatmaps, which the worker computes only if the manifest has a grid."""
    if not scores_only or HEATMAPS_NAME not in output_names(bundle):
        return [bundle]
    return [bundle, replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, grid=None))]


def _row(bundle: Bundle, device: Device, speeds: list[Speed]) -> BenchRow:
    manifest = bundle.manifest
    return BenchRow(
        bundle=path_text(bundle.path),
        precision=manifest.precision,
        size_bytes=len(bundle.model),
        fidelity=manifest.fidelity,
        device=device,
        scores_only=manifest.heatmaps is not None and HEATMAPS_NAME not in output_names(bundle),
        speeds=tuple(speeds),
    )


def as_json(rows: Sequence[BenchRow], plan: BenchPlan) -> dict[str, Any]:
    """Return the machine and all rows as JSON."""
    machine = {
        "cpu": processor_name(),
        "cores": usable_cores(),
        "threads": plan.threads,
        "onnxruntime": ort.__version__,
    }
    return {"machine": machine, "rows": [_plain(row) for row in rows]}


def _plain(row: BenchRow) -> dict[str, Any]:
    plain = asdict(row)
    plain["fidelity"] = msgspec.json.decode(
        msgspec.json.encode(row.fidelity)
    )  # turns NaN of a failed candidate to null
    return plain
