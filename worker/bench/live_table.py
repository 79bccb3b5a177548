"""The demo's live table."""

from dataclasses import dataclass

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stripwatch.worker.bench.results_tally import CameraCounts, ResultsTally


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Values shown next to the counts. lag_frames is None while the worker does not answer."""

    seconds_max: float
    lag_frames: float | None
    metrics_port: int


def draw_table(tally: ResultsTally, labels: list[str], moment: Snapshot) -> Group:
    """Draw a table with one row per camera and one column per defect label, and the status line below it."""
    table = Table(title="Stripwatch demo: live results", title_justify="left", expand=False)
    for name in ("camera", "frames", "clean", "unsure", *labels, "latency p50", "p99"):
        table.add_column(Text(name), justify="left" if name == "camera" else "right")
    for camera, counts in sorted(tally.cameras.items()):
        table.add_row(Text(camera), *_cells(counts, labels))
    return Group(table, Text(status_line(tally, moment)))


def status_line(tally: ResultsTally, moment: Snapshot) -> str:
    flags = "".join(f"   flagged {flag} {count}" for flag, count in sorted(tally.flags.items()))
    novel = f"   novel {tally.novel}" if tally.novel else ""
    lag = "?" if moment.lag_frames is None else f"{moment.lag_frames:.0f}"
    return (
        f"{tally.seconds:4.0f} of {moment.seconds_max:.0f} s   {tally.frames_per_second:.0f} frames/s   "
        f"results {tally.results}   defects {tally.defects}   rejects {tally.rejects}{flags}{novel}   lag {lag}   "
        f"metrics http://127.0.0.1:{moment.metrics_port}/metrics   Ctrl-C to stop"
    )


def _cells(counts: CameraCounts, labels: list[str]) -> list[str]:
    p50, p99 = np.percentile(counts.recent_ms or [0.0], [50, 99])
    return [
        str(counts.verdicts.total()),
        str(counts.verdicts["clean"]),
        str(counts.verdicts["unsure"]),
        *(str(counts.defects[label]) for label in labels),
        f"{p50:.0f} ms",
        f"{p99:.0f} ms",
    ]
