"""The plots of an evaluation: training curves, confusion, precision and recall, reliability."""

import csv
from pathlib import Path

import matplotlib as mpl
import numpy as np
import seaborn as sns
from sklearn.metrics import precision_recall_curve

from export.evaluation import Evaluation
from export.files import read_whole
from export.pictures import new_figure, to_png
from export.runfolder import HISTORY_FILE, Run
from training.figures import share_interval
from training.scoring import Scored

mpl.use("Agg")
_MAX_LABELS_NAMED = 12


def draw_plots(run: Run, measured: Scored, evaluation: Evaluation, folder: Path) -> dict[str, bytes]:
    """PNG files by name. folder: that of the run, for its history."""
    with sns.axes_style("whitegrid"):
        drawn = {"curves": _curves(folder, run.best_epoch)}
        if evaluation.confusion is not None:
            drawn["confusion"] = _confusion(run.labels, np.array(evaluation.confusion))
        drawn["precision_recall"] = _precision_recall(run.labels, measured, evaluation)
        drawn["reliability"] = _reliability(evaluation)
    return drawn


def _curves(folder: Path, best_epoch: int) -> bytes:
    rows = list(csv.DictReader(read_whole(folder / HISTORY_FILE).decode().splitlines()))
    epochs = [int(row["epoch"]) for row in rows]
    figure = new_figure(10, 3.6)
    for axis, what in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for part, column in (("training", what), ("validation", f"val_{what}")):
            values = [float(row[column]) for row in rows]
            sns.lineplot(x=epochs, y=values, ax=axis, label=part, marker="o" if len(epochs) < 30 else None)
        axis.axvline(best_epoch, color="0.4", linestyle=":", label=f"kept: epoch {best_epoch}")
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set(xlabel="epoch", ylabel=what)
        axis.legend()
    return to_png(figure)


def _confusion(labels: list[str], counts: np.ndarray[tuple[int, ...], np.dtype[np.int_]]) -> bytes:
    side = max(4.0, 0.6 * len(labels) + 2.2)
    figure = new_figure(side + 0.6, side)
    axis = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    named = len(labels) <= 30
    sns.heatmap(
        shares,
        annot=counts if named else False,
        fmt="d",
        cmap="Blues",
        vmin=0,
        vmax=1,
        square=True,
        linewidths=0.5 if named else 0,
        xticklabels=labels,
        yticklabels=labels,
        cbar_kws={"label": "share of the row", "shrink": 0.8},
        ax=axis,
    )
    axis.set(xlabel="answer", ylabel="truth")
    axis.tick_params(axis="x", rotation=45)
    axis.tick_params(axis="y", rotation=0)
    for text in axis.get_xticklabels():
        text.set_horizontalalignment("right")
        text.set_rotation_mode("anchor")
    return to_png(figure)


def _precision_recall(labels: list[str], measured: Scored, evaluation: Evaluation) -> bytes:
    """Of many labels only those with the worst average precision."""
    found = {label: value for label, value in evaluation.average_precision.items() if value is not None}
    figure = new_figure(7, 4.6)
    axis = figure.subplots()
    for label in sorted(found, key=lambda label: found[label])[:_MAX_LABELS_NAMED]:
        at = labels.index(label)
        precision, recall, _ = precision_recall_curve(measured.targets[:, at], measured.scores[:, at])
        axis.step(recall, precision, where="post", label=f"{label} (AP {found[label]:.4f})")
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.02))
    axis.legend(fontsize=8, loc="lower left")
    return to_png(figure)


def _reliability(evaluation: Evaluation) -> bytes:
    bins = evaluation.calibration.bins
    figure = new_figure(5.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="as sure as right")
    confidence = [found.confidence for found in bins]
    shares = [share_interval(round(found.accuracy * found.answers), found.answers) for found in bins]
    reach = [[share.value - share.low for share in shares], [share.high - share.value for share in shares]]
    upper.errorbar(confidence, [share.value for share in shares], reach, fmt="o", capsize=3, label="answers, 95 %")
    upper.set(ylabel="share that is right", ylim=(0, 1.03), xlim=(0, 1.01))
    upper.set_title(
        f"expected calibration error {evaluation.calibration.error:.4f}, "
        f"at temperature {evaluation.calibration.temperature:.2f}: {evaluation.calibration.error_scaled:.4f}",
        fontsize=9,
    )
    upper.legend(loc="upper left")
    lower.bar(confidence, [found.answers for found in bins], width=1 / 20)
    lower.set(xlabel="confidence", ylabel="answers", yscale="log")
    return to_png(figure)
