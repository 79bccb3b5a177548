"""HTML report of an evaluation: one self-contained file, and its plots as separate PNG files."""

from collections.abc import Mapping
from pathlib import Path

from stripwatch.export.reporting.confidence_intervals import interval_words
from stripwatch.export.reporting.html import page, picture, table
from stripwatch.export.results.run_evaluation import (
    Calibration,
    Evaluation,
    KindFigures,
    OperatingPoint,
    total,
)
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.novelty.measurement import PICTURES
from stripwatch.training.novelty.report import novelty_section
from stripwatch.training.stress.report import stress_section

REPORT_FILE = "report.html"
_NO_LABELS = "- (no frame has a label and none is predicted)"
_TITLES = {
    "curves": "Training curves",
    "confusion": "Confusion matrix",
    "precision_recall": "Precision-recall curves",
    "reliability": "Reliability diagram",
    "mistakes": "Worst errors",
}


def write_report(out: Path, run: Run, evaluation: Evaluation, pictures: dict[str, bytes]) -> None:
    """Write NAME.png for each picture, and report.html with all of them embedded."""
    for name, png in pictures.items():
        atomic_write(out / f"{name}.png", png)
    atomic_write(out / REPORT_FILE, _page(run, evaluation, pictures).encode())


def _page(run: Run, evaluation: Evaluation, pictures: dict[str, bytes]) -> str:
    title = f"{run.configuration.title} on {Path(evaluation.data).name}"
    measured = f"Measured on {evaluation.frames} {evaluation.measured_on} frames. {_independence(evaluation)}"
    parts = [
        _facts(run, evaluation),
        _kinds(evaluation),
        "<h2>Labels</h2>",
        _labels(run, evaluation),
        _localization(run, evaluation),
        *(picture(_TITLES[name], png) for name, png in pictures.items() if name in _TITLES),
    ]
    if evaluation.novelty is not None:
        parts.append(novelty_section(evaluation.novelty))
        parts += [picture(PICTURES[name], png) for name, png in pictures.items() if name in PICTURES]
    if evaluation.stress is not None:
        parts.append(stress_section(evaluation.stress, evaluation.untested_labels))
        parts.append(picture("Verdicts by strength of the change", pictures["stress"]))
    return page(title, measured, parts)


def _independence(evaluation: Evaluation) -> str:
    if evaluation.trained_on:
        return (
            f"Frames that the model was trained on: {evaluation.trained_on}. The figures are therefore optimistic. "
            "Remove these images from the folder, and evaluate again."
        )
    if evaluation.anomaly is not None:
        return "These frames were not used for fitting, and chose no threshold."
    if evaluation.measured_on == "test":
        return "These frames were not used for fitting or for selecting the epoch, the thresholds or the temperature."
    return (
        "These frames were not used for fitting, but they selected the epoch, the thresholds and the temperature, so "
        "the figures are optimistic."
    )


def _facts(run: Run, evaluation: Evaluation) -> str:
    configuration, calibration = run.configuration, evaluation.calibration
    rows = {
        **_anomaly(evaluation),
        "accuracy": interval_words(evaluation.accuracy, "Wilson"),
        "macro-F1": interval_words(evaluation.macro_f1, "bootstrap") if evaluation.macro_f1 else _NO_LABELS,
        "calibration error": _calibration(calibration),
        "thresholds": f"{evaluation.thresholds_chosen}, for scores at temperature {calibration.applied:.4g}; precision "
        "and recall at the thresholds are measured on the validation frames that selected them",
        "network": f"{configuration.title}, weights {configuration.weights}, "
        f"input {run.decode.height_px}x{run.decode.width_px} {run.decode.name}",
        "fit": f"{_fit(run)}, seed {configuration.seed}, {len(run.split.train)} training frames",
        "run": f"{run.run_id}, {run.created_at}",
        "data": f"{evaluation.data}, sha256 {evaluation.data_sha256}",
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return table((), rows.items(), "facts")


def _fit(run: Run) -> str:
    if run.anomaly is not None:
        return f"{run.anomaly.method}, clean frames only"
    return f"{run.configuration.epochs} epochs, epoch {run.best_epoch} kept"


def _anomaly(evaluation: Evaluation) -> dict[str, str]:
    found = evaluation.anomaly
    if found is None:
        return {}
    return {
        "frames": f"{found.clean} clean, {found.defective} with defects",
        "AUROC": share_text(found.auroc),
        "average precision": share_text(found.average_precision),
        "found at the threshold": share_text(found.found),
        "false alarms": share_text(found.false_alarms),
    }


def _kinds(evaluation: Evaluation) -> str:
    if evaluation.anomaly is None or evaluation.anomaly.kinds is None:
        return ""
    columns = ("kind of defect", "frames", "found at the threshold", "AUROC")
    note = "The model does not know the kinds. AUROC: of the frames of one kind and all clean ones."
    return f'<h2>Kinds of defects</h2><p class="note">{note}</p>{table(columns, kind_rows(evaluation.anomaly.kinds))}'


def kind_rows(kinds: Mapping[str, KindFigures]) -> list[tuple[str, ...]]:
    """Return one row per kind of defect: name, frames, share found and AUROC, the least found first."""
    rising = sorted(kinds.items(), key=lambda item: item[1].found)
    return [(kind, f"{each.frames:,}", share_text(each.found), share_text(each.auroc)) for kind, each in rising]


def share_text(share: float | None) -> str:
    """Return a figure between 0 and 1, or "-" if there are no frames to measure it on."""
    return "-" if share is None else f"{share:.4f}"


def _calibration(found: Calibration) -> str:
    scaled = f"{found.error:.4f}; {found.error_scaled:.4f} at temperature {found.temperature:.2f}"
    if found.applied == found.temperature:
        return f"{scaled}, which the bundle uses"
    return f"{scaled}, which is unreliable because there are too few errors: the bundle uses {found.applied:g}"


def _labels(run: Run, evaluation: Evaluation) -> str:
    columns = ("label", "frames", "precision", "recall", "F1", "average precision", "unsure", "precision at unsure",
               "recall at unsure", "sure", "precision at sure", "recall at sure")  # fmt: skip
    rows = []
    for label in run.labels:
        figures, threshold = evaluation.classes[label], evaluation.thresholds[label]
        average = evaluation.average_precision[label]
        values = (figures.precision, figures.recall, figures.f1, average)
        shown = ["-" if value is None else f"{value:.4f}" for value in values]
        rows.append((label, str(figures.frames), *shown, *_threshold(threshold.unsure), *_threshold(threshold.sure)))
    return table(columns, rows)


def _threshold(point: OperatingPoint) -> tuple[str, str, str]:
    missed = "" if point.reached else " (target not reached)"
    return repr(point.value), f"{point.precision:.4f}", f"{point.recall:.4f}{missed}"


def _localization(run: Run, evaluation: Evaluation) -> str:
    if evaluation.localisation is None:
        return ""
    columns = (
        *("label", "annotated", "peak inside", "box correct", "image centre inside", "whole image correct"),
        *("best box correct", "precision of boxes", "recall of boxes"),
    )
    counts = {**evaluation.localisation, "all": total(evaluation.localisation)}
    rows = [
        (label, str(count.pairs), *(f"{share:.1%}" for share in count.shares.values()))
        for label, count in counts.items()
    ]
    places = run.heatmaps is not None and run.heatmaps.kind == "place"
    kind = "label scores of each cell" if places else "class activation maps, fitted without annotations"
    note = (
        f"Shares of the annotated labels. Heatmaps are {kind}. A box is correct if its intersection over union with an "
        "annotated box is at least 0.5. Precision and recall are those of all boxes; each annotated box counts once. "
        "Image centre and whole image are baselines that ignore the image content."
    )
    return f'<h2>Localization</h2><p class="note">{note}</p>{table(columns, rows)}'
