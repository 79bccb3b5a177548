"""HTML page of a comparison: accuracy and speed of the networks, the winner, and links to their reports."""

from collections.abc import Mapping
from html import escape
from pathlib import Path

from stripwatch.export.reporting.charts import draw_intervals
from stripwatch.export.reporting.confidence_intervals import interval_words
from stripwatch.export.reporting.html import page, picture, table
from stripwatch.export.results.stress_results import limits_text
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.experiments.crossval_page import report_link, run_facts
from stripwatch.training.experiments.leaderboard import Leaderboard, LeaderboardEntry
from stripwatch.training.stress.report import doubts
from stripwatch.worker.common.terminal.facts import as_text
from stripwatch.worker.common.terminal.progress import duration

_COLUMNS = (
    *("network (report)", "accuracy", "95 % interval", "macro-F1", "parameters", "bundle, MB", "training"),
    *("frames/s at batch 1", "frames/s", "best batch", "left-out classes detected"),
    "changes withstood",
)


def compare_page(board: Leaderboard, run: Run, plot: bytes, command: str) -> str:
    """Return the page.

    run: a run of the comparison. plot: accuracy by speed, as PNG. command: the command line that repeats the
    comparison.
    """
    title = f"Comparison of {len(board.entries)} networks on {Path(run.data).name}"
    note = (
        f"All networks were fitted and measured on the same split: {len(run.split.train):,} frames for training, "
        f"{run.validation.frames:,} for validation. The validation frames also selected the epochs, so the figures are "
        "optimistic."
    )
    shares = {entry.name: entry.accuracy for entry in board.entries}
    parts = [
        table((), _facts(board, run, command).items(), "facts"),
        picture("Accuracy and speed", plot),
        picture("Accuracy", draw_intervals(shares, board.winner)),
        "<h2>Networks</h2>",
        table(_COLUMNS, [_row(entry, board) for entry in board.entries], "numbers"),
        *(_note(entry) for entry in board.entries if entry.note),
        _stress(board),
    ]
    return page(title, note, parts)


def _facts(board: Leaderboard, run: Run, command: str) -> Mapping[str, str]:
    winner = next(entry for entry in board.entries if entry.name == board.winner)
    speed = f"; {winner.frames_per_second:,.0f} frames/s on {winner.provider}" if winner.frames_per_second else ""
    shared = {name: text for name, text in run_facts(run).items() if name != "network"}
    return {
        "winner": f"{board.winner}, by the rule {board.rule}",
        "its accuracy": interval_words(winner.accuracy, "Wilson") + speed,
        "Pareto front": ", ".join(board.front) or "none: no network was timed",
        **shared,
        "command": command,
    }


def _row(entry: LeaderboardEntry, board: Leaderboard) -> tuple[str, ...]:
    timed = entry.frames_per_second > 0
    return (
        report_link(entry.name, " (winner)" if entry.name == board.winner else ""),
        f"{entry.accuracy.value:.4f}",
        f"{entry.accuracy.low:.4f} to {entry.accuracy.high:.4f}",
        f"{entry.macro_f1.value:.4f}" if entry.macro_f1 else "-",
        f"{entry.parameters:,}",
        f"{entry.bundle_bytes / 1e6:,.1f}" if timed else "-",
        duration(entry.total_s),
        f"{entry.frames_per_second_batch_1:,.1f}" if timed else "-",
        f"{entry.frames_per_second:,.1f}" if timed else "-",
        str(entry.batch) if timed else "-",
        "-" if entry.left_out_mean is None else f"{entry.left_out_mean:.3f}",
        entry.withstood_text,
    )


def _stress(board: Leaderboard) -> str:
    """Return a table of the strength at which each network fails, or nothing if no network was tested."""
    tested = {entry.name: entry.stress.limits for entry in board.entries if entry.stress is not None}
    if not tested:
        return ""
    changes = {name: limit.unit for limits in tested.values() for name, limit in limits.items()}
    rows = [
        (name, unit, *(limits_text(limits[name])[1] if name in limits else "" for limits in tested.values()))
        for name, unit in changes.items()
    ]
    note = (
        '<p class="note">The first strength at which a network is not reliable; - if it withstands all of them. The '
        "reports of the networks show the shares.</p>"
    )
    columns = ("change", "unit", *tested)
    return f"<h2>What the networks withstand</h2>{note}{_doubts(board)}{table(columns, rows, 'numbers')}"


def _doubts(board: Leaderboard) -> str:
    """Return why the strengths may not be trusted, with the networks that each reason concerns."""
    networks: dict[str, list[str]] = {}
    for entry in board.entries:
        for doubt in doubts(entry.stress) if entry.stress is not None else []:
            networks.setdefault(doubt, []).append(entry.name)
    return "".join(
        f'<p class="warning">{escape(f"{as_text(names)}: {doubt}.")}</p>' for doubt, names in networks.items()
    )


def _note(entry: LeaderboardEntry) -> str:
    return f'<p class="note">{escape(entry.name)} was not timed: {escape(entry.note)}</p>'
