"""report.html: one file with everything an evaluation found, and its pictures as PNG beside it."""

from pathlib import Path

from stripwatch.export.reporting.html import page, picture, table
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.run_evaluation import Calibration, Evaluation, Interval, OperatingPoint, total
from stripwatch.export.runs.run_folder import Run

_NO_LABELS = "-: no frame has a label, and none is given one"
_TITLES = {
    "curves": "Training",
    "confusion": "Confusion",
    "precision_recall": "Precision and recall",
    "reliability": "Reliability",
    "mistakes": "Worst mistakes",
}


def write_report(out: Path, run: Run, evaluation: Evaluation, pictures: dict[str, bytes]) -> None:
    """NAME.png for each picture, and report.html with all of them inside."""
    for name, png in pictures.items():
        atomic_write(out / f"{name}.png", png)
    atomic_write(out / "report.html", _page(run, evaluation, pictures).encode())


def _page(run: Run, evaluation: Evaluation, pictures: dict[str, bytes]) -> str:
    title = f"{run.configuration.title} on {Path(evaluation.data).name}"
    measured = f"Measured on {evaluation.frames} {evaluation.measured_on} frames. {_honesty(evaluation)}"
    parts = [
        _facts(run, evaluation),
        "<h2>Labels</h2>",
        _labels(run, evaluation),
        _places(run, evaluation),
        *(picture(_TITLES[name], png) for name, png in pictures.items()),
    ]
    return page(title, measured, parts)


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
        "macro-F1": _interval(evaluation.macro_f1) + " (bootstrap)" if evaluation.macro_f1 else _NO_LABELS,
        "calibration error": _calibration(calibration),
        "thresholds": f"{evaluation.thresholds_chosen}, with scores at temperature {calibration.applied:.4g}; their "
        "figures are of the validation frames that chose them",
        "network": f"{configuration.title}, weights {configuration.weights}, "
        f"input {run.decode.height_px}x{run.decode.width_px} {run.decode.name}",
        "fit": f"{configuration.epochs} epochs, epoch {run.best_epoch} kept, seed {configuration.seed}, "
        f"{len(run.split.train)} frames",
        "run": f"{run.run_id}, {run.created_at}",
        "data": f"{evaluation.data}, sha256 {evaluation.data_sha256}",
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return table((), rows.items(), "facts")


def _calibration(found: Calibration) -> str:
    scaled = f"{found.error:.4f}; {found.error_scaled:.4f} at temperature {found.temperature:.2f}"
    if found.applied == found.temperature:
        return f"{scaled}, which the bundle uses"
    return f"{scaled}, which too few mistakes chose: the bundle uses {found.applied:g}"


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
    return table(columns, rows)


def _cut(cut: OperatingPoint) -> tuple[str, str, str]:
    asked_more = "" if cut.reached else " (asked for more)"
    return repr(cut.value), f"{cut.precision:.4f}", f"{cut.recall:.4f}{asked_more}"


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
    return f'<h2>Places</h2><p class="note">{note}</p>{table(columns, rows)}'


def _interval(found: Interval) -> str:
    return f"{found.value:.4f}, 95 % between {found.low:.4f} and {found.high:.4f}"
