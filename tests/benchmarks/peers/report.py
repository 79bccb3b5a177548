"""Report of the results, as Markdown and JSON."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.peers.contenders import NOT_RUN, WORKER
from tests.benchmarks.peers.goals import Goal
from tests.benchmarks.peers.meet import Entry, ratios


class Report(msgspec.Struct):
    """Results of a run. tracks: entries by track. what: broker, rounds, counts, versions."""

    what: dict[str, Any]
    tracks: dict[str, list[Entry]]
    goals: list[Goal]


def describe(broker: str, rounds: int, counts: Mapping[str, int]) -> dict[str, Any]:
    return {
        "broker": broker,
        "rounds": rounds,
        "frames": dict(counts),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "load_before": round(os.getloadavg()[0], 1),
    }


def markdown(report: Report) -> str:
    parts = [_table(name, entries) for name, entries in report.tracks.items()]
    if report.goals:
        parts.append(_goals(report.goals))
    parts.append("Not run: " + "; ".join(f"{name}: {reason}" for name, reason in NOT_RUN.items()) + ".")
    parts.append("`" + json.dumps(report.what) + "`")
    return "\n\n".join(parts) + "\n"


def _table(name: str, entries: Sequence[Entry]) -> str:
    """Return a table sorted by median; the ratio is worker / peer within a round."""
    worker = next((entry for entry in entries if entry.name == WORKER.name), None)
    lines = [
        f"| {name} | frames/s | range (rounds) | CPU ms per frame | worker / peer | range (rounds) | setting |",
        "|---|---|---|---|---|---|---|",
    ]
    for entry in sorted(entries, key=lambda entry: -(entry.median or 0.0)):
        if entry.median is None:
            lines.append(f"| {entry.name} | did not run: {_one_line(entry.reason)} | | | | | |")
            continue
        over = ratios(worker, entry) if worker and worker is not entry else []
        cells = [
            entry.name,
            f"{entry.median:.0f}",
            _spread(entry.rates, 0),
            "" if entry.cpu_ms is None else f"{entry.cpu_ms:.2f}",
            f"{statistics.median(over):.2f}" if over else "",
            _spread(over, 2),
            "automatic" if entry is worker else str(entry.setting) if entry.tried else "defaults",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _goals(goals: Sequence[Goal]) -> str:
    lines = ["| figure | goal | median | range (rounds) | met | note |", "|---|---|---|---|---|---|"]
    for goal in goals:
        bound = f"at {'most' if goal.ceiling else 'least'} {goal.goal:g}"
        met = {True: "yes", False: "no", None: "not measured"}[goal.met]
        median = "" if goal.median is None else f"{goal.median:.2f}"
        lines.append(f"| {goal.figure} | {bound} | {median} | {_spread(goal.values, 2)} | {met} | {goal.note} |")
    return "\n".join(lines)


def _spread(values: Sequence[float], places: int) -> str:
    return f"{min(values):.{places}f} to {max(values):.{places}f} ({len(values)})" if values else ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "not measured").split()).replace("|", "/")[:200]


def summary(report: Report) -> dict[str, Any]:
    """Return the summary for the last line on stdout: medians by track and contender, and the goals."""
    return {
        **report.what,
        "frames_per_second": {
            name: {entry.name: entry.median and round(entry.median, 1) for entry in entries}
            for name, entries in report.tracks.items()
        },
        "goals": [
            {"figure": g.figure, "goal": g.goal, "median": g.median and round(g.median, 3), "met": g.met}
            for g in report.goals
        ],
    }


def write(report: Report, folder: Path) -> None:
    """Write peers.md and peers.json; the latter has every lap."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "peers.md").write_text(markdown(report))
    (folder / "peers.json").write_bytes(msgspec.json.format(msgspec.json.encode(report)))
