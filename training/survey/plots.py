"""Plots of the page of a survey: brightness, contrast and sharpness by class."""

from collections.abc import Iterator

import numpy as np

from stripwatch.export.reporting.axes import use_log_scale
from stripwatch.export.reporting.figures import BLUE, literal, new_axes, to_png
from stripwatch.training.preparation.frame_facts import SURVEYED
from stripwatch.training.survey.survey import Survey
from stripwatch.worker.common.terminal.tables import shorten
from stripwatch.worker.images.image_statistics import Statistic

_CLASSES_MAX = 30
_NAME_CHARS_MAX = 24
_UNITS = {"brightness": "mean grey value", "contrast": "standard deviation of grey values", "sharpness": "sharpness"}
_FLOOR = 1e-3


def draw_distributions(found: Survey) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG of one plot per statistic: a box per class, with whiskers at 1.5 interquartile ranges.

    Only the largest 30 classes are drawn. Yields nothing if the statistics are not known.
    """
    facts = [digest.facts for digest in found.digests]
    if any(each is None for each in facts):
        return
    largest = sorted(found.balance, key=lambda label: -found.balance[label])[:_CLASSES_MAX]
    members = {
        label: [at for at, sample in enumerate(found.samples) if label in (sample.labels or ("clean",))]
        for label in sorted(largest)
    }
    for statistic in SURVEYED:
        values = np.array([max(getattr(each.statistics, statistic), _FLOOR) for each in facts if each is not None])
        yield statistic, _draw(statistic, {label: values[positions] for label, positions in members.items()})


def _draw(statistic: Statistic, values: dict[str, np.ndarray]) -> bytes:
    figure, axis = new_axes(5.4, 1.1 + 0.34 * len(values))
    line = {"color": BLUE}
    axis.boxplot(
        list(values.values()), orientation="horizontal", widths=0.6, boxprops=line, whiskerprops=line, capprops=line,
        medianprops={"color": "black"}, flierprops={"marker": ".", "markersize": 4, "alpha": 0.6},
    )  # fmt: skip
    axis.set_yticks(range(1, len(values) + 1), [literal(shorten(label, _NAME_CHARS_MAX)) for label in values])
    axis.invert_yaxis()
    axis.set(xlabel=_UNITS[statistic])
    if statistic == "brightness":
        axis.set_xlim(0, 255)
    else:
        use_log_scale(axis.xaxis, ticks_max=5)
    return to_png(figure)
