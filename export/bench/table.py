"""Benchmark results as a table for the terminal, a Markdown table, and a plot."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from stripwatch.export.bench.bundle_bench import BenchRow

# f/s: frames per second. CPU ms: CPU time of all threads per frame at the best batch size.
_COLUMNS = ("bundle", "device", "agreement", "accuracy", "macro-F1", "MB", "f/s at 1", "best f/s", "batch", "CPU ms")


def as_table(rows: Sequence[BenchRow]) -> Table:
    """Return a table with one row per bundle and device."""
    table = Table(*_COLUMNS[:2])
    for header in _COLUMNS[2:]:
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def markdown(rows: Sequence[BenchRow]) -> str:
    """Return the same table as Markdown."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, rows)]
    escaped = [[cell.replace("|", r"\|") for cell in cells] for cells in lines]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)
    refused = (f"{name} was rejected by the accuracy gate. {why}" for name, why in rejections(rows).items())
    return table + "".join(f"\n{line}\n" for line in refused)


def draw_speeds(rows: Sequence[BenchRow]) -> bytes:
    """Return a plot as PNG: throughput and latency by batch size, one line per bundle and device."""
    from stripwatch.export.reporting.axes import use_log_scale
    from stripwatch.export.reporting.figures import literal, new_axes, to_png  # needs matplotlib

    figure, (rates, latencies) = new_axes(11, 4.4, ncols=2)
    lines = []
    for row in rows:
        sizes = [speed.batch_frames for speed in row.speeds]
        lines += rates.plot(sizes, [speed.frames_per_second for speed in row.speeds], marker="o")
        latencies.plot(sizes, [speed.latency_ms_p50 for speed in row.speeds], marker="o")
    rates.set(ylabel="frames per second")
    latencies.set(ylabel="median batch latency, ms")
    measured = {speed.batch_frames for row in rows for speed in row.speeds}
    for axis in (rates, latencies):
        axis.set_xlabel("batch size, frames")
        use_log_scale(axis.xaxis, measured)
        use_log_scale(axis.yaxis)
    figure.legend(lines, [literal(_title(row)) for row in rows], loc="outside right upper", fontsize=8)
    return to_png(figure)


def _cells(row: BenchRow) -> tuple[str, ...]:
    fidelity, size = row.fidelity, f"{row.size_bytes / 1e6:.2f}" if row.size_bytes else "-"
    figures = ("-",) * 3
    if fidelity:
        figures = (f"{fidelity.agreement:.4f}", f"{fidelity.accuracy:.4f}", f"{fidelity.macro_f1:.4f}")
    speeds = ("rejected", "-", "-", "-")
    if row.speeds:
        first, best = row.first, row.best
        rates = (f"{first.frames_per_second:.1f}", f"{best.frames_per_second:.1f}")
        speeds = (*rates, str(best.batch_frames), f"{best.cpu_ms_a_frame:.2f}")
    return (_title(row), row.device or "-", *figures, size, *speeds)


def _title(row: BenchRow) -> str:
    """Return the file name, marked if heatmaps were not computed."""
    return Path(row.bundle).stem + (" (scores only)" if row.scores_only else "")


def rejections(rows: Sequence[BenchRow]) -> dict[str, str]:
    """Return why the accuracy gate rejected a bundle, by its title."""
    return {_title(row): row.refused for row in rows if row.refused}
