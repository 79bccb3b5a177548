"""Plots of an evaluation: training curves, confusion matrix, precision-recall curves, reliability diagram."""

import csv
from pathlib import Path

from sklearn.metrics import precision_recall_curve

from stripwatch.export.reporting.charts import draw_confusion, draw_reliability
from stripwatch.export.reporting.figures import literal, new_axes, to_png
from stripwatch.export.results.run_evaluation import Evaluation
from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.run_folder import HISTORY_FILE, Run
from stripwatch.training.evaluation.predictions import ScoredFrames

_MAX_LABELS_NAMED = 12


def draw_plots(run: Run, measured: ScoredFrames, evaluation: Evaluation, folder: Path) -> dict[str, bytes]:
    """Return the plots as PNG files, by name. folder: run folder, for its history."""
    drawn = {} if run.anomaly is not None else {"curves": _curves(folder, run.best_epoch)}
    if evaluation.confusion is not None:
        drawn["confusion"] = draw_confusion(run.labels, evaluation.confusion)
    drawn["precision_recall"] = _precision_recall(run.labels, measured, evaluation)
    drawn["reliability"] = draw_reliability(evaluation.calibration.bins, _calibrated(evaluation))
    return drawn


def _curves(folder: Path, best_epoch: int) -> bytes:
    rows = list(csv.DictReader(read_whole(folder / HISTORY_FILE).decode().splitlines()))
    epochs = [int(row["epoch"]) for row in rows]
    figure, axes = new_axes(10, 3.6, ncols=2)
    for axis, metric in zip(axes, ("accuracy", "loss"), strict=True):
        for part, column in (("training", metric), ("validation", f"val_{metric}")):
            values = [float(row[column]) for row in rows]
            axis.plot(epochs, values, label=part, marker="o" if len(epochs) < 30 else None, markersize=5)
        axis.axvline(best_epoch, color="0.4", linestyle=":", label=f"kept epoch: {best_epoch}")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set(xlabel="epoch", ylabel=metric)
        axis.legend()
    return to_png(figure)


def _precision_recall(labels: list[str], measured: ScoredFrames, evaluation: Evaluation) -> bytes:
    """Return precision-recall curves of the labels with the lowest average precision, at most 12."""
    found = {label: value for label, value in evaluation.average_precision.items() if value is not None}
    figure, axis = new_axes(7, 4.6)
    lines, names = [], []
    for label in sorted(found, key=lambda label: found[label])[:_MAX_LABELS_NAMED]:
        at = labels.index(label)
        precision, recall, _ = precision_recall_curve(measured.targets[:, at], measured.scores[:, at])
        lines += axis.step(recall, precision, where="post")
        names.append(literal(f"{label} (AP {found[label]:.4f})"))
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
    axis.legend(lines, names, fontsize=8, loc="lower left")
    return to_png(figure)


def _calibrated(evaluation: Evaluation) -> str:
    found = evaluation.calibration
    scaled = f"at temperature {found.temperature:.2f}: {found.error_scaled:.4f}"
    return f"expected calibration error {found.error:.4f}, {scaled}"
