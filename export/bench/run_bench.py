"""Benchmark of trained runs at several precisions: the accuracy each one costs and the speed it gains."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rich.progress import Progress

from stripwatch.export.bench.bundle_bench import BenchPlan, BenchRow, bench_bundles
from stripwatch.export.convert.accuracy_gate import GateRejectedError
from stripwatch.export.convert.converted_run import convert_run
from stripwatch.export.convert.export_run import ExportSettings, export_converted, require_new
from stripwatch.export.runs.frames import find_data
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import InputError, run_checks
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.model.bundle import Precision


def bench_runs(
    runs: Sequence[Path],
    precisions: Sequence[Precision],
    out: Path,
    data: Path | None,
    plan: BenchPlan,
    progress: Progress,
) -> Iterator[list[BenchRow]]:
    """Export each run to RUN-PRECISION.onnx in `out`, measure its bundles alternately, and yield its rows.

    A precision that the accuracy gate rejects is a row without speeds. Raises what export_run raises.
    """
    for run in runs:
        yield list(_bench_run(run, precisions, out, data, plan, progress))


def check_runs(runs: Sequence[Path], precisions: Sequence[Precision], out: Path, data: Path | None) -> None:
    """Raise an error with everything that prevents the export of a run: its files, its images and earlier bundles."""
    files = [_file(out, run, precision) for run in runs for precision in precisions]
    for file in files:
        if files.count(file) > 1:
            raise InputError(f"two runs would be exported to the same file {file}; give their folders different names")
    run_checks([*(partial(_check_run, run, data) for run in runs), *(partial(require_new, file) for file in files)])


def _check_run(folder: Path, data: Path | None) -> None:
    try:
        find_data(read_run(folder), data)
    except InputError as error:
        raise InputError(f"{path_text(folder)}: {error}") from error


def _bench_run(
    run: Path, precisions: Sequence[Precision], out: Path, data: Path | None, plan: BenchPlan, progress: Progress
) -> Iterator[BenchRow]:
    converted = convert_run(run, data, progress)
    written, refused = [], []
    for precision in precisions:
        file = _file(out, run, precision)
        try:
            export_converted(converted, ExportSettings(run, file, path_text(run.name), precision=precision), progress)
            written.append(file)
        except GateRejectedError as error:
            refused.append(BenchRow(path_text(file), precision, None, error.fidelity, refused=error.reason))
    if written:
        yield from bench_bundles(written, plan, progress)
    yield from refused


def _file(out: Path, run: Path, precision: Precision) -> Path:
    return out / f"{run.absolute().name}-{precision}.onnx"
