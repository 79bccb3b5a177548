"""What `stripwatch export bench` found: a table for the terminal, the same for a report, and a plot."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stripwatch.export.bench.bundle_bench import BenchRow

# f/s: frames a second. CPU ms: worked for a frame in the best batch, over all threads.
_COLUMNS = ("bundle", "on", "agree", "accuracy", "macro-F1", "MB", "f/s at 1", "best f/s", "batch", "CPU ms")
_WIDTH = 130  # where stdout is no terminal


def print_table(rows: Sequence[BenchRow]) -> None:
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(width=_WIDTH, markup=False, highlight=False)
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*_cells(row))
    console.print(table)
    for line in _refusals(rows):
        console.print(line)


def markdown(rows: Sequence[BenchRow]) -> str:
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, rows)]
    escaped = [[cell.replace("|", r"\|") for cell in cells] for cells in lines]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)
    return table + "".join(f"\n{line}\n" for line in _refusals(rows))


def draw_speeds(rows: Sequence[BenchRow]) -> bytes:
    """A PNG: frames a second and latency over the batch size, a line a bundle."""
    from stripwatch.export.reporting.figures import literal, new_axes, to_png  # it needs matplotlib

    figure, (rates, latencies) = new_axes(11, 4.4, ncols=2)
    lines = []
    for row in rows:
        sizes = [speed.batch_frames for speed in row.speeds]
        lines += rates.plot(sizes, [speed.frames_per_second for speed in row.speeds], marker="o")
        latencies.plot(sizes, [speed.latency_ms_p50 for speed in row.speeds], marker="o")
    rates.set(ylabel="frames a second", yscale="log")
    latencies.set(ylabel="latency of a batch, median, ms", yscale="log")
    for axis in (rates, latencies):
        axis.set_xscale("log", base=2)
        axis.set_xlabel("frames in a batch")
    figure.legend(lines, [literal(_title(row)) for row in rows], loc="outside right upper", fontsize=8)
    return to_png(figure)


def _cells(row: BenchRow) -> tuple[str, ...]:
    found, size = row.fidelity, f"{row.size_bytes / 1e6:.2f}" if row.size_bytes else "-"
    answers = (f"{found.agreement:.4f}", f"{found.accuracy:.4f}", f"{found.macro_f1:.4f}") if found else ("-",) * 3
    speeds = ("refused", "-", "-", "-")
    if row.speeds:
        first, best = row.first, row.best
        rates = (f"{first.frames_per_second:.1f}", f"{best.frames_per_second:.1f}")
        speeds = (*rates, str(best.batch_frames), f"{best.cpu_ms_a_frame:.2f}")
    return (_title(row), row.device or "-", *answers, size, *speeds)


def _title(row: BenchRow) -> str:
    """The file, and whether its heatmaps were left out."""
    return Path(row.bundle).stem + (" (scores only)" if row.scores_only else "")


def _refusals(rows: Sequence[BenchRow]) -> list[str]:
    return [f"{_title(row)} was refused. {row.refused}" for row in rows if row.refused]
