"""Plot of a stress test: verdicts by strength, one panel per change."""

from typing import Any

from stripwatch.export.reporting.axes import number
from stripwatch.export.reporting.figures import BLUE, VERMILION, new_axes, to_png
from stripwatch.export.results.stress_results import StressChange, StressPoint, StressResults

_COLUMNS = 4
_GREY = "0.8"
_KINDS = (("right and certain", BLUE), ("unsure", _GREY), ("confidently wrong", VERMILION))


def draw_stress(results: StressResults) -> bytes:
    """Return a plot as PNG: a panel per change with a bar per strength, stacked from right to confidently wrong."""
    rows = -(-len(results.changes) // _COLUMNS)
    figure, axes = new_axes(11, 2.2 * rows + 0.5, nrows=rows, ncols=_COLUMNS, sharey=True, squeeze=False)
    panels = axes.ravel()
    for axis, change in zip(panels, results.changes, strict=False):
        _draw_change(axis, change, results.unchanged)
    for axis in panels[len(results.changes) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel("frames, %")
    handles = [panels[0].containers[at] for at in range(len(_KINDS))]
    figure.legend(handles, [name for name, _ in _KINDS], loc="outside upper center", ncols=len(_KINDS))
    return to_png(figure)


def _draw_change(axis: Any, change: StressChange, unchanged: StressPoint) -> None:
    points = [unchanged, *change.points]
    below = [0.0] * len(points)
    for counts, (_, colour) in zip(_counts(points), _KINDS, strict=True):
        shares = [100 * count / point.frames for count, point in zip(counts, points, strict=True)]
        axis.bar(range(len(points)), shares, bottom=below, color=colour, width=0.9)
        below = [under + share for under, share in zip(below, shares, strict=True)]
    names = [number(point.strength) for point in change.points] if change.unit else ["changed"]
    axis.set_xticks(range(len(points)), ["none", *names], fontsize=8)
    axis.set_title(change.name, fontsize=9)
    axis.set_xlabel(change.unit, fontsize=8)
    axis.set_ylim(0, 100)


def _counts(points: list[StressPoint]) -> tuple[list[int], list[int], list[int]]:
    return (
        [point.certain_right for point in points],
        [point.unsure for point in points],
        [point.confidently_wrong for point in points],
    )
