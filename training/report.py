"""report.html: one file with everything an evaluation found, and its pictures as PNG beside it."""

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

from export.evaluation import Cut, Evaluation, Interval, total
from export.files import write_whole
from export.runfolder import Run

_TITLES = {
    "curves": "Training",
    "confusion": "Confusion",
    "precision_recall": "Precision and recall",
    "reliability": "Reliability",
    "mistakes": "Worst mistakes",
}
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { padding: .25rem .8rem; border-bottom: 1px solid #d8dde4; text-align: left }
td + td, th + th { text-align: right } .facts td { text-align: left } img { max-width: 100% } .note { color: #5a6675 }
"""


def write_report(out: Path, run: Run, evaluation: Evaluation, pictures: dict[str, bytes]) -> None:
    """NAME.png for each picture, and report.html with all of them inside."""
    for name, png in pictures.items():
        write_whole(out / f"{name}.png", png)
    write_whole(out / "report.html", _page(run, evaluation, pictures).encode())


def _page(run: Run, evaluation: Evaluation, pictures: dict[str, bytes]) -> str:
    title = f"{run.configuration.title} on {Path(evaluation.data).name}"
    measured = f"Measured on {evaluation.frames} {evaluation.measured_on} frames. {_honesty(evaluation)}"
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>',
            f"<style>{_STYLE}</style><h1>{escape(title)}</h1>",
            f'<p class="note">{measured}</p>',
            _facts(run, evaluation),
            "<h2>Labels</h2>",
            _labels(run, evaluation),
            _places(run, evaluation),
            *(_image(_TITLES[name], png) for name, png in pictures.items()),
            "</html>",
        ]
    )


def _image(title: str, png: bytes) -> str:
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return f'<h2>{title}</h2><img alt="{title}" src="{source}">'


def _honesty(evaluation: Evaluation) -> str:
    if evaluation.measured_on == "test":
        return "They took no part in fitting, nor in choosing epoch, thresholds or temperature."
    return (
        "They took no part in fitting, but chose the epoch, the thresholds and the temperature: so the figures flatter."
    )


def _facts(run: Run, evaluation: Evaluation) -> str:
    configuration, calibration = run.configuration, evaluation.calibration
    rows = {
        "accuracy": _interval(evaluation.accuracy) + " (Wilson)",
        "macro-F1": _interval(evaluation.macro_f1) + " (bootstrap)",
        "calibration error": f"{calibration.error:.4f}; {calibration.error_scaled:.4f} at temperature "
        f"{calibration.temperature:.2f}",
        "thresholds": evaluation.thresholds_chosen,
        "network": f"{configuration.title}, weights {configuration.weights}, "
        f"input {run.decode.height_px}x{run.decode.width_px}",
        "fit": f"{configuration.epochs} epochs, epoch {run.best_epoch} kept, seed {configuration.seed}, "
        f"{len(run.split.train)} frames",
        "run": f"{run.run_id}, {run.created_at}",
        "data": f"{evaluation.data}, sha256 {evaluation.data_sha256}",
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return _table((), rows.items(), "facts")


def _labels(run: Run, evaluation: Evaluation) -> str:
    columns = ("label", "frames", "precision", "recall", "F1", "average precision", "unsure from", "precision there",
               "recall there", "sure from", "precision there", "recall there")  # fmt: skip
    rows = []
    for label in run.labels:
        figures, threshold = evaluation.classes[label], evaluation.thresholds[label]
        average = evaluation.average_precision[label]
        values = (figures.precision, figures.recall, figures.f1, average)
        shown = ["-" if value is None else f"{value:.4f}" for value in values]
        rows.append((label, str(figures.frames), *shown, *_cut(threshold.unsure), *_cut(threshold.sure)))
    return _table(columns, rows)


def _cut(cut: Cut) -> tuple[str, str, str]:
    asked_more = "" if cut.reached else " (asked for more)"
    return f"{cut.value:.4f}", f"{cut.precision:.4f}", f"{cut.recall:.4f}{asked_more}"


def _places(run: Run, evaluation: Evaluation) -> str:
    if evaluation.localisation is None:
        return ""
    columns = ("label", "marked", "peak inside", "box right", "image centre inside", "whole image right")
    counts = {**evaluation.localisation, "all": total(evaluation.localisation)}
    rows = [
        (label, str(count.pairs), *(f"{share:.1%}" for share in count.shares.values()))
        for label, count in counts.items()
    ]
    told = "class scores at each place" if run.configuration.head == "dense" else "activation maps, never told where"
    note = f"Heatmaps are {told}. A box is right from an overlap of 0.5 on; image centre and whole image know nothing."
    return f'<h2>Places</h2><p class="note">{note}</p>{_table(columns, rows)}'


def _table(columns: Iterable[str], rows: Iterable[tuple[str, ...]], style: str = "") -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="{style}"><tr>{head}</tr>{body}</table>'


def _interval(found: Interval) -> str:
    return f"{found.value:.4f}, 95 % between {found.low:.4f} and {found.high:.4f}"
