"""Leaderboard of a comparison: Pareto front of accuracy and speed, winner by a rule, table and plot."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich.table import Table

from stripwatch.export.reporting.axes import use_log_scale
from stripwatch.export.reporting.figures import BLUE, VERMILION, literal, new_axes, to_png
from stripwatch.export.results.run_evaluation import Interval
from stripwatch.export.results.stress_results import StressResults
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.terminal.tables import numbers_table


class LeaderboardEntry(msgspec.Struct, frozen=True):
    """Results of one network.

    macro_f1: None if no frame has a label. epoch_s, features_s, total_s: seconds per epoch, for computing the features
    of a frozen backbone, and in total. frames_per_second: at the best batch size. Speeds are measured with ONNX Runtime
    in the worker's session; they are 0 if the export failed, with the reason in note. left_out_mean: mean share of a
    class that a novelty detector fitted without it detects; None if it was not measured. stress: what the network
    withstands; None if that was not measured.
    """

    name: str
    network: str
    weights: str
    input: str
    accuracy: Interval
    macro_f1: Interval | None
    parameters: int
    epoch_s: float
    features_s: float
    total_s: float
    model_sha256: str
    bundle_bytes: int = 0
    provider: str = ""
    frames_per_second_batch_1: float = 0.0
    frames_per_second: float = 0.0
    batch: int = 0
    note: str = ""
    left_out_mean: float | None = None
    stress: StressResults | None = None

    @property
    def withstood(self) -> tuple[int, int] | None:
        """Return the number of changes that the network withstands at every strength, and the number of changes."""
        if self.stress is None:
            return None
        return sum(each.fails_at is None for each in self.stress.changes), len(self.stress.changes)

    @property
    def withstood_text(self) -> str:
        """Return the same as text, or "-" if it was not measured."""
        return "-" if self.withstood is None else "{} of {}".format(*self.withstood)


class Leaderboard(msgspec.Struct, frozen=True):
    """Content of leaderboard.json.

    entries: highest accuracy first. front: names on the Pareto front, which no other network beats in both accuracy and
    speed.
    """

    rule: str
    winner: str
    front: list[str]
    entries: list[LeaderboardEntry]


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule that selects the winner: the most accurate, or the fastest at most `points` percentage points below it."""

    text: str
    points: float | None

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """Parse "best" or "fastest-within:POINTS". Raises SettingsError for anything else."""
        match = re.fullmatch(r"best|fastest-within:(\d+(?:\.\d+)?)", text)
        if match is None:
            raise SettingsError(
                f"--rule {text!r} is neither 'best' nor 'fastest-within:POINTS', such as fastest-within:0.5"
            )
        return cls(text, float(match[1]) if match[1] else None)

    def winner(self, entries: Sequence[LeaderboardEntry]) -> LeaderboardEntry:
        """Return the winner. Ties in accuracy are broken by macro-F1, then by speed."""
        best = max(entries, key=lambda entry: (entry.accuracy.value, _f1(entry), entry.frames_per_second))
        if self.points is None:
            return best
        near = [entry for entry in entries if entry.accuracy.value >= best.accuracy.value - self.points / 100 - 1e-9]
        return max(near, key=lambda entry: entry.frames_per_second)


def _f1(entry: LeaderboardEntry) -> float:
    return entry.macro_f1.value if entry.macro_f1 else 0.0


def rank(entries: Sequence[LeaderboardEntry], rule: Rule) -> Leaderboard:
    """Sort the networks by accuracy, and determine the Pareto front and the winner."""
    ordered = sorted(entries, key=lambda entry: (-entry.accuracy.value, -entry.frames_per_second))
    front, fastest = [], 0.0
    for entry in ordered:  # from highest accuracy down: each network faster than all before
        if entry.frames_per_second > fastest:
            front.append(entry.name)
            fastest = entry.frames_per_second
    return Leaderboard(rule.text, rule.winner(ordered).name, front, ordered)


def to_csv(board: Leaderboard) -> bytes:
    """Return the leaderboard as CSV, one row per network."""
    written = io.StringIO()
    rows = [_row(entry, board) for entry in board.entries]
    writer = csv.DictWriter(written, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


def to_table(board: Leaderboard) -> Table:
    """Return the leaderboard as a table for the terminal. A star marks the Pareto front."""
    table = numbers_table(
        *("network", "accuracy", "95 % from", "to", "macro-F1", "parameters", "MB", "s per epoch"),
        *("frames/s at batch 1", "frames/s", "batch", "left-out classes detected", "changes withstood"),
    )
    for entry in board.entries:
        accuracy = entry.accuracy
        mark = " *" if entry.name in board.front else ""
        table.add_row(
            f"{entry.name}{mark}{' (winner)' if entry.name == board.winner else ''}",
            *(f"{limit:.4f}" for limit in (accuracy.value, accuracy.low, accuracy.high)),
            f"{entry.macro_f1.value:.4f}" if entry.macro_f1 else "-",
            f"{entry.parameters:,}",
            f"{entry.bundle_bytes / 1e6:,.1f}",
            f"{entry.epoch_s:,.2f}",
            f"{entry.frames_per_second_batch_1:,.1f}",
            f"{entry.frames_per_second:,.1f}",
            str(entry.batch),
            "-" if entry.left_out_mean is None else f"{entry.left_out_mean:.3f}",
            entry.withstood_text,
        )
    return table


def draw(board: Leaderboard) -> bytes:
    """Return a plot as PNG: accuracy by frames per second at the best batch size, with the Pareto front as a line."""
    figure, axis = new_axes(8, 5)
    front = sorted((e for e in board.entries if e.name in board.front), key=lambda e: e.frames_per_second)
    axis.plot(
        [e.frames_per_second for e in front],
        [100 * e.accuracy.value for e in front],
        color="0.45",
        label="Pareto front",
        drawstyle="steps-pre",
    )
    for entry in filter(lambda entry: entry.frames_per_second, board.entries):
        _draw_entry(axis, entry, entry.name == board.winner)
    axis.set(xlabel="frames per second (ONNX Runtime, best batch size)", ylabel="accuracy, %")
    axis.margins(x=0.2, y=0.1)
    if any(entry.frames_per_second for entry in board.entries):
        use_log_scale(axis.xaxis)
    axis.legend(loc="best")
    return to_png(figure)


def _draw_entry(axis: Any, entry: LeaderboardEntry, wins: bool) -> None:
    accuracy = entry.accuracy
    reach = [[100 * (accuracy.value - accuracy.low)], [100 * (accuracy.high - accuracy.value)]]
    point = (entry.frames_per_second, 100 * accuracy.value)
    axis.errorbar(
        *point,
        yerr=reach,
        fmt="*" if wins else "o",
        markersize=15 if wins else 7,
        color=VERMILION if wins else BLUE,
        capsize=3,
        label="winner" if wins else None,
    )
    axis.annotate(literal(entry.name), point, xytext=(8, 5), textcoords="offset points", fontsize=9)


def _row(entry: LeaderboardEntry, board: Leaderboard) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(entry, stress=None))
    del row["stress"]  # leaderboard.json has the details
    row["changes_withstood"] = "" if entry.withstood is None else entry.withstood[0]
    for name in ("accuracy", "macro_f1"):
        figure = row.pop(name) or dict.fromkeys(("value", "low", "high"), "")
        row |= {name: figure["value"], f"{name}_low": figure["low"], f"{name}_high": figure["high"]}
    return row | {"front": entry.name in board.front, "winner": entry.name == board.winner}
