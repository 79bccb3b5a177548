"""Plot of the frontier: accuracy by the cost of a frame."""

from typing import Any

from stripwatch.export.reporting.axes import use_log_scale
from stripwatch.export.reporting.figures import BLUE, VERMILION, literal, new_axes, to_png
from stripwatch.training.frontier.plan.result import EntryResult, FrontierResult

_COLOURS = (BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = {"fp32": "o", "int8": "s"}


def draw_frontier(result: FrontierResult) -> bytes:
    """Return a plot as PNG: timed candidates with 95 % intervals, the frontier, the winner, and the required rate."""
    figure, axis = new_axes(9, 5.5)
    front = [result.entry(name) for name in result.front]
    axis.plot(
        [_cost(result, each.name) for each in front],
        [100 * each.accuracy.value for each in front],
        color="0.45",
        drawstyle="steps-post",
        label="frontier",
        zorder=1,
    )
    networks = list(dict.fromkeys((each.network, each.alpha) for each in result.timed))
    named: set[str] = set()
    for entry in result.timed:
        colour = _COLOURS[networks.index((entry.network, entry.alpha)) % len(_COLOURS)]
        title = f"{entry.network}{f' {entry.alpha:g}' if entry.alpha != 1 else ''}, {entry.precision}"
        _draw_entry(axis, result, entry, colour, "" if title in named else title)
        named.add(title)
    if result.winner is not None:
        _draw_winner(axis, result, result.entry(result.winner))
    what = "decoding and inference, one thread"
    if result.rate is not None:
        axis.axvline(result.rate.frame_ms_max, color=VERMILION, linestyle="--", label="allowed by the required rate")
        what = "of a camera's frame in a worker"
    axis.set(xlabel=f"processor time per frame, ms ({what})", ylabel="accuracy, %")
    axis.margins(x=0.1, y=0.1)
    use_log_scale(axis.xaxis)
    axis.legend(loc="lower right", fontsize=8)
    return to_png(figure)


def _cost(result: FrontierResult, name: str) -> float:
    if result.rate is not None:
        return result.rate.frame_ms[name]
    cost = result.entry(name).cost
    return cost.total_ms if cost else 0.0


def _draw_entry(axis: Any, result: FrontierResult, entry: EntryResult, colour: str, label: str) -> None:
    cost, share = entry.cost, entry.accuracy
    if cost is None:
        return
    axis.errorbar(
        _cost(result, entry.name),
        100 * share.value,
        xerr=[[cost.total_ms - cost.total_low_ms], [cost.total_high_ms - cost.total_ms]],
        yerr=[[100 * (share.value - share.low)], [100 * (share.high - share.value)]],
        fmt=_MARKERS.get(entry.precision, "o"),
        color=colour,
        alpha=1.0 if entry.on_front else 0.45,
        capsize=2,
        label=literal(label) if label else None,
    )


def _draw_winner(axis: Any, result: FrontierResult, entry: EntryResult) -> None:
    point = (_cost(result, entry.name), 100 * entry.accuracy.value)
    axis.plot(*point, "*", color=VERMILION, markersize=18, label="recommended", zorder=5)
    axis.annotate(literal(entry.name), point, xytext=(10, -16), textcoords="offset points", fontsize=9)
