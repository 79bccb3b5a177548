"""Validation charts for the report of a run and for the HTML page of a bundle."""

from collections.abc import Mapping, Sequence

import numpy as np

from stripwatch.export.reporting.axes import number, use_log_scale
from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.reporting.figures import BLUE, VERMILION, literal, new_axes, new_figure, to_png
from stripwatch.export.results.run_evaluation import Interval
from stripwatch.worker.common.terminal.tables import shorten
from stripwatch.worker.contracts.model.model_record import Bin

_NAME_CHARS_MAX = 40
_LABELS_WITH_COUNTS_MAX = 30  # with more labels the cells are too small for their counts
_NAMES_MAX = 150  # with more labels only every second or third is named, so that the figure fits on a screen


def draw_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> bytes:
    """Return a confusion matrix as PNG. Rows are true labels, columns are predicted labels."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = _side_inches(len(labels))
    figure = new_figure(side + 0.6, side)
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axis, label="share of row", shrink=0.8)
    named = range(0, len(labels), -(-len(labels) // _NAMES_MAX))
    names = [literal(labels[at]) for at in named]
    font, rotation = (10, 45) if len(labels) <= _LABELS_WITH_COUNTS_MAX else (7, 90)
    axis.set_xticks(named, names, fontsize=font, rotation=rotation, ha="right", va="center", rotation_mode="anchor")
    axis.set_yticks(named, names, fontsize=font)
    axis.set(xlabel="predicted label", ylabel="true label")
    if len(labels) <= _LABELS_WITH_COUNTS_MAX:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "0.15"
            axis.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    return to_png(figure)


def _side_inches(labels: int) -> float:
    """Return the side of a square figure with room for a count in each cell, or for a small name next to each row."""
    if labels <= _LABELS_WITH_COUNTS_MAX:
        return max(4.0, 0.6 * labels + 2.2)
    return 0.15 * min(labels, _NAMES_MAX) + 5.0


def draw_reliability(bins: Sequence[Bin], title: str) -> bytes:
    """Return a reliability diagram as PNG: accuracy by confidence, with 95 % Wilson intervals and a histogram."""
    figure, (upper, lower) = new_axes(5.2, 5.2, nrows=2, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color="0.5", linestyle=":", label="perfect calibration")
    confidence = [bin_.confidence for bin_ in bins]
    shares = [share_interval(round(bin_.accuracy * bin_.answers), bin_.answers) for bin_ in bins]
    reach = [[share.value - share.low for share in shares], [share.high - share.value for share in shares]]
    upper.errorbar(
        confidence, [share.value for share in shares], reach, fmt="o", capsize=3, label="model, 95 % interval"
    )
    upper.set(ylabel="accuracy", ylim=(0, 1.03), xlim=(0, 1.01))
    upper.set_title(title, fontsize=9)
    upper.legend(loc="upper left")
    lower.bar(confidence, [bin_.answers for bin_ in bins], width=1 / 20)
    lower.set(xlabel="confidence", ylabel="predictions")
    use_log_scale(lower.yaxis, ticks_max=4)
    return to_png(figure)


def draw_intervals(shares: Mapping[str, Interval], marked: str = "") -> bytes:
    """Return a chart as PNG of shares by name, in percent, with their 95 % intervals; the first one is at the top.

    marked: name that is drawn in another colour.
    """
    figure, axis = new_axes(8, 1.2 + 0.34 * len(shares))
    for at, (name, share) in enumerate(shares.items()):
        reach = [[100 * (share.value - share.low)], [100 * (share.high - share.value)]]
        colour = VERMILION if name == marked else BLUE
        axis.errorbar(100 * share.value, at, xerr=reach, fmt="o", capsize=3, color=colour)
        axis.annotate(
            f"{100 * share.value:.2f}", (100 * share.value, at), xytext=(0, 5), textcoords="offset points", fontsize=8,
            ha="center",
        )  # fmt: skip
    axis.set_yticks(range(len(shares)), [literal(shorten(name, _NAME_CHARS_MAX)) for name in shares])
    axis.set_ylim(len(shares) - 0.5, -0.7)
    axis.set(xlabel="correct labels, % (95 % interval)")
    axis.xaxis.set_major_formatter(lambda value, _: number(value))
    return to_png(figure)
