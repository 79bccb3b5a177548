"""Plots of a novelty detector: distribution of the scores, and detection by false-alarm rate."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from stripwatch.export.reporting.axes import number, use_log_scale
from stripwatch.export.reporting.figures import literal, new_axes, to_png
from stripwatch.training.novelty.judged_frames import Floats, JudgedFrames

_BINS = 60
_TAIL = 0.002  # share of the scores at either end that is drawn in the outermost bins
_CURVES_MAX = 12


def draw_margins(groups: Mapping[str, JudgedFrames]) -> bytes:
    """Return a histogram as PNG: share of each group of frames by novelty score minus threshold."""
    shown = {name: judged.margins for name, judged in groups.items() if len(judged.margins)}
    edges = _edges(np.concatenate(list(shown.values())))
    figure, axis = new_axes(8, 4)
    for name, margins in shown.items():
        weights = np.full(len(margins), 100 / len(margins))
        inside = margins.clip(edges[0], edges[-1])
        axis.hist(inside, edges, weights=weights, histtype="step", label=literal(f"{name} ({len(margins):,})"))
    axis.axvline(0, color="0.3", linestyle=":", label="threshold")
    axis.set(xlabel="novelty score minus threshold", ylabel="frames of the group, %")
    axis.legend(fontsize=8)
    return to_png(figure)


def draw_detection(known: Mapping[str, JudgedFrames], unknown: Mapping[str, JudgedFrames], rate: float) -> bytes:
    """Return ROC curves as PNG: share of unknown frames detected by false-alarm rate, on a logarithmic axis.

    known, unknown: by name of the curve, at most 12 with the lowest detected share. rate: false-alarm rate that the
    threshold was chosen for. A false-alarm rate below one frame is drawn as half a frame.
    """
    drawable = [name for name, judged in unknown.items() if judged.frames and known[name].frames]
    names = sorted(drawable, key=lambda name: float(unknown[name].novel.mean()))[:_CURVES_MAX]
    figure, axis = new_axes(7, 4.6)
    lines, labels = [], []
    for name in names:
        false, found = _curve(known[name].margins, unknown[name].margins)
        lines += axis.step(100 * false, 100 * found, where="post")
        labels.append(literal(name))
    lines.append(axis.axvline(100 * rate, color="0.3", linestyle=":"))
    labels.append(f"chosen rate, {100 * rate:g} %")
    axis.set(xlabel="false alarms among held-out frames, %", ylabel="detected, %", ylim=(0, 102))
    use_log_scale(axis.xaxis)
    axis.yaxis.set_major_formatter(lambda value, _: number(value))
    axis.legend(lines, labels, fontsize=8, loc="lower right")
    return to_png(figure)


def _curve(known: Floats, unknown: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    truth = np.repeat([1, 0], [len(unknown), len(known)])
    false, found, _ = roc_curve(truth, np.concatenate([unknown, known]))
    return np.maximum(false, 0.5 / len(known)), found


def _edges(margins: Floats) -> NDArray[np.float64]:
    low, high = np.quantile(margins, [_TAIL, 1 - _TAIL])
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)
