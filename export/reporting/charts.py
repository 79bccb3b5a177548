"""Charts of a validation, for the report of a run and for the card of a bundle."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import seaborn as sns

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.reporting.figures import literal, new_figure, to_png
from stripwatch.worker.model.bundle import Bin

mpl.use("Agg")  # seaborn would look for a display


def draw_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> bytes:
    """A PNG. Rows are true labels, columns answers."""
    counts = np.array(confusion)
    side = max(4.0, 0.6 * len(labels) + 2.2)
    figure = new_figure(side + 0.6, side)
    axis = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [literal(label) for label in labels]
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
        xticklabels=names,
        yticklabels=names,
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


def draw_reliability(bins: Sequence[Bin], title: str) -> bytes:
    """A PNG: for each confidence the share of answers that is right, with the limits that their number sets."""
    figure = new_figure(5.2, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="as sure as right")
    confidence = [found.confidence for found in bins]
    shares = [share_interval(round(found.accuracy * found.answers), found.answers) for found in bins]
    reach = [[share.value - share.low for share in shares], [share.high - share.value for share in shares]]
    upper.errorbar(confidence, [share.value for share in shares], reach, fmt="o", capsize=3, label="answers, 95 %")
    upper.set(ylabel="share that is right", ylim=(0, 1.03), xlim=(0, 1.01))
    upper.set_title(title, fontsize=9)
    upper.legend(loc="upper left")
    lower.bar(confidence, [found.answers for found in bins], width=1 / 20)
    lower.set(xlabel="confidence", ylabel="answers", yscale="log")
    return to_png(figure)
