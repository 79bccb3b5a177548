"""Axes of charts whose numbers people read as they are: 1, 4 and 2,400, not powers of ten or two."""

import math
from collections.abc import Iterable
from typing import Any

from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

_STEPS = ((1, 2, 5), (1, 3), (1,))  # ticks within a decade, from many to few
_TICKS_MAX = 8


def use_log_scale(axis: Any, values: Iterable[float] | None = None, ticks_max: int = _TICKS_MAX) -> None:
    """Make an x or y axis logarithmic, with whole numbers as ticks. Call it after the data are drawn.

    axis: Axes.xaxis or Axes.yaxis. values: ticks, such as the measured batch sizes; None chooses them by the limits of
    the axis. ticks_max: largest number of chosen ticks.
    """
    getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(FixedLocator(sorted(set(values)) if values else log_ticks(low, high, ticks_max)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: number(value))


def log_ticks(low: float, high: float, ticks_max: int = _TICKS_MAX) -> list[float]:
    """Return up to `ticks_max` round numbers from low to high, both above 0, for a logarithmic axis.

    Steps are 1, 2, 5, 10 or wider. A narrow range without three such numbers gets evenly spaced ones.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found: list[float] = []
    for stride, steps in [(1, steps) for steps in _STEPS] + [(stride, (1,)) for stride in range(2, last - first + 2)]:
        ticks = [_scaled(step, power) for power in range(first, last + 1, stride) for step in steps]
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) <= ticks_max:
            break
    if len(found) >= 3 or high >= 10 * low:
        return found
    even = MaxNLocator(nbins=max(2, ticks_max - 2), steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in even if low <= tick <= high]


def _scaled(step: int, power: int) -> float:
    return step * 10.0**power if power >= 0 else step / 10.0**-power


def number(value: float) -> str:
    """Return a number as people write it: 0.5, 4, 2,400."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
