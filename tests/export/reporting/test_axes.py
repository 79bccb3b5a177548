import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.export.reporting.axes import log_ticks, number, use_log_scale
from stripwatch.export.reporting.figures import new_axes, to_png


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.9, 17, [1, 2, 5, 10]),
        (80, 2600, [100, 200, 500, 1000, 2000]),
        (0.4, 12, [0.5, 1, 2, 5, 10]),
        (1, 10**9, [1, 100, 10**4, 10**6, 10**8]),
        (3080, 3420, [3100, 3200, 3300, 3400]),
        (2.2, 4.6, [2.5, 3, 3.5, 4, 4.5]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


@given(st.floats(1e-6, 1e9), st.floats(1.05, 1e9), st.integers(3, 12))
def test_every_range_has_ticks_within_it(low: float, ratio: float, ticks_max: int) -> None:
    ticks = log_ticks(low, low * ratio, ticks_max)
    assert 1 <= len(ticks) <= max(ticks_max, 3)
    assert all(low <= tick <= low * ratio for tick in ticks)
    assert ticks == sorted(set(ticks))


@pytest.mark.parametrize(
    ("value", "expected"), [(1, "1"), (4, "4"), (2400, "2,400"), (0.5, "0.5"), (0.025, "0.025"), (1234.5, "1,234")]
)
def test_numbers_are_written_as_people_write_them(value: float, expected: str) -> None:
    assert number(value) == expected


def test_an_axis_shows_plain_numbers() -> None:
    figure, axis = new_axes(5, 4)
    axis.plot([1, 4, 16], [180, 900, 2400])
    use_log_scale(axis.xaxis, [1, 4, 16])
    use_log_scale(axis.yaxis)
    to_png(figure)
    shown = [label.get_text() for each in (axis.xaxis, axis.yaxis) for label in each.get_ticklabels()]
    assert shown[:3] == ["1", "4", "16"]
    assert "2,000" in shown
    assert all(re.fullmatch(r"[\d.,]+", text) for text in shown)
