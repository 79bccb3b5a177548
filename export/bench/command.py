"""Command `stripwatch export bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import typer
from rich.progress import Progress

from stripwatch.export.runs.cli_options import MovedData
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.lazy_imports import load_tensorflow, require
from stripwatch.export.runs.run_folder import RECORD_FILE
from stripwatch.worker.common.errors import SettingsError, run_checks
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.model.bundle import Precision

if TYPE_CHECKING:
    from stripwatch.export.bench.bundle_bench import BenchPlan, BenchRow

T = TypeVar("T")
_SIZE_MAX = 1024


def bench(
    what: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|REGISTRY/NAME|RUN...", help="Bundles, or run folders written by training."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for bench.json, bench.md, bench.png and the bundles exported from runs. Required for runs."
        ),
    ] = None,
    precisions: Annotated[
        str, typer.Option(help="Precisions at which runs are exported, separated by commas.")
    ] = "fp32,fp16,int8",
    batch_sizes: Annotated[str, typer.Option(help="Batch sizes to measure, separated by commas.")] = "1,2,4,8,16",
    seconds: Annotated[
        float, typer.Option(min=0.01, help="Measuring time in seconds for each bundle, device and batch size.")
    ] = 2.0,
    device: Annotated[
        str,
        typer.Option(
            help="Devices to measure, separated by commas: cpu, cuda, cuda-bound, cuda-graph, tensorrt. "
            "all measures cpu, and cuda if available."
        ),
    ] = "all",
    threads: Annotated[
        int, typer.Option(min=0, help="Number of ONNX Runtime threads on a CPU. 0 lets ONNX Runtime choose.")
    ] = 0,
    scores_only: Annotated[
        bool, typer.Option("--scores-only", help="Measure each bundle a second time without its heatmaps.")
    ] = False,
    data: MovedData = None,
    json_file: JsonFile = None,
) -> None:
    """Measure throughput and latency of bundles by batch size, using the worker's own inference session.

    Bundles are measured alternately, so that other load on the machine affects all of them equally. Runs are first
    exported at each precision through the accuracy gate; the table also lists precisions that the gate rejects.

    \b
    Example:
      stripwatch export bench model.onnx small.onnx --batch-sizes 1,8,32
      stripwatch export bench runs/xception runs/vgg19 --precisions fp32,int8 --out bench
    """
    sizes, wanted = parse_sizes(batch_sizes), pick(precisions, get_args(Precision), "--precisions")
    runs = [path for path in what if (path / RECORD_FILE).exists()]
    if runs and out is None:
        raise SettingsError(
            "--out is missing: runs are exported before they are measured; pass a folder for the bundles"
        )
    require("onnxruntime", *(["matplotlib"] if out else []))
    from stripwatch.export.bench.bundle_bench import BenchPlan, Device, as_json, devices_here
    from stripwatch.export.bench.table import as_table, rejections

    devices = devices_here() if device == "all" else pick(device, get_args(Device), "--device")
    plan = BenchPlan(sizes, seconds, devices, threads, scores_only)
    rows: list[BenchRow] = []
    with new_progress() as progress:
        for found in _measure(what, runs, wanted, out, data, plan, progress):
            rows += found
            if out is not None:
                _write(out, rows, plan)  # an interruption loses only the current measurement
    files = {"table": out / "bench.md", "plot": out / "bench.png"} if out else {}
    finish(Outcome(as_json(rows, plan), rejections(rows), [as_table(rows)], _use_fastest(rows), files), json_file)


def _use_fastest(rows: Sequence[BenchRow]) -> list[str]:
    """Return the next step: measure the whole worker with the fastest bundle."""
    measured = [row for row in rows if row.speeds]
    if not measured:
        return []
    fastest = max(measured, key=lambda row: row.best.frames_per_second)
    return [command_text("bench", "--bundle", Path(fastest.bundle))]


def _measure(
    what: list[Path],
    runs: list[Path],
    precisions: Sequence[Precision],
    out: Path | None,
    data: Path | None,
    plan: BenchPlan,
    progress: Progress,
) -> Iterator[list[BenchRow]]:
    """Yield the rows of all bundle files, measured together, then those of each run.

    Raises an error with everything that is wrong with bundles, runs, their data, and devices, before any work.
    """
    from stripwatch.export.bench.bundle_bench import bench_bundles, require_device

    files = [path for path in what if path not in runs]
    checks: list[Callable[[], object]] = [partial(_require_bundle, path) for path in files]
    checks += [partial(require_device, device) for device in plan.devices]
    if runs and out is not None:
        load_tensorflow()
        require("onnx", "tf2onnx", "sklearn")
        from stripwatch.export.bench.run_bench import bench_runs, check_runs

        checks.append(partial(check_runs, runs, precisions, out, data))
    run_checks(checks)
    if out is not None:
        make_folder(out)
    if files:
        yield bench_bundles(files, plan, progress)
    if runs and out is not None:
        yield from bench_runs(runs, precisions, out, data, plan, progress)


def _require_bundle(path: Path) -> None:
    from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle

    load_resolved(resolve_bundle(path))


def parse_sizes(text: str) -> tuple[int, ...]:
    """Parse "1,8" to (1, 8), sorted and without duplicates. Raises SettingsError for anything else."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and 1 <= int(word) <= _SIZE_MAX for word in words):
        raise SettingsError(
            f"--batch-sizes {text!r} is not a list of numbers from 1 to {_SIZE_MAX} separated by commas, such as 1,8,16"
        )
    return tuple(sorted({int(word) for word in words}))


def pick(text: str, known: tuple[T, ...], option: str) -> tuple[T, ...]:
    """Parse a comma-separated list of known words and return them in the order of `known`.

    option: name of the option, for the error. Raises SettingsError for an unknown word.
    """
    words = [word.strip() for word in text.split(",")]
    if unknown := [word for word in words if word not in known]:
        named = ", ".join(map(repr, unknown))
        verb = "is" if len(unknown) == 1 else "are"
        raise SettingsError(f"{option}: {named} {verb} unknown; choose from {', '.join(map(str, known))}")
    return tuple(each for each in known if each in words)


def _write(out: Path, rows: Sequence[BenchRow], plan: BenchPlan) -> None:
    from stripwatch.export.bench.bundle_bench import as_json
    from stripwatch.export.bench.table import draw_speeds, markdown

    atomic_write(out / "bench.json", json.dumps(as_json(rows, plan), indent=1).encode())
    atomic_write(out / "bench.md", markdown(rows).encode())
    atomic_write(out / "bench.png", draw_speeds(rows))
