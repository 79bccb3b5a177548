"""Charts of a validation, for the report of a run and for the card of a bundle."""

from collections.abc import Sequence

import numpy as np

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.reporting.figures import literal, new_axes, new_figure, to_png
from stripwatch.worker.model.bundle import Bin

_CELLS_LABELLED = 30  # with more labels the cells have no room for their counts
_NAMES_MAX = 150  # more names would need a figure larger than a screen can show; every second or third is left


def draw_confusion(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> bytes:
    """A PNG. Rows are true labels, columns answers."""
    counts = np.array(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = _side_inches(len(labels))
    figure = new_figure(side + 0.6, side)
    axis = figure.subplots()
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axis, label="share of the row", shrink=0.8)
    named = range(0, len(labels), -(-len(labels) // _NAMES_MAX))
    names = [literal(labels[at]) for at in named]
    font, rotation = (10, 45) if len(labels) <= _CELLS_LABELLED else (7, 90)
    axis.set_xticks(named, names, fontsize=font, rotation=rotation, ha="right", va="center", rotation_mode="anchor")
    axis.set_yticks(named, names, fontsize=font)
    axis.set(xlabel="answer", ylabel="truth")
    if len(labels) <= _CELLS_LABELLED:
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "0.15"
            axis.text(column, row, str(count), ha="center", va="center", color=colour)
    return to_png(figure)


def _side_inches(labels: int) -> float:
    """Of a square with room for a count in each cell, or for a small name beside each row."""
    if labels <= _CELLS_LABELLED:
        return max(4.0, 0.6 * labels + 2.2)
    return 0.15 * min(labels, _NAMES_MAX) + 5.0


def draw_reliability(bins: Sequence[Bin], title: str) -> bytes:
    """A PNG: for each confidence the share of answers that is right, with the limits that their number sets."""
    figure, (upper, lower) = new_axes(5.2, 5.2, nrows=2, sharex=True, height_ratios=[3, 1])
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
