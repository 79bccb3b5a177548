"""Exactly the expected alerts fire on each simulated day. `python -m tests.deploy.days` prints them."""

import numpy as np
import pytest

from tests.deploy.days import faulty
from tests.deploy.days.__main__ import ALL_DAYS, alert_names, table
from tests.deploy.days.day import Day
from tests.deploy.days.exported import families
from tests.deploy.days.promtool import notation, outcome_of
from tests.deploy.days.series import Series, series_of


@pytest.mark.long
@pytest.mark.parametrize("day", ALL_DAYS, ids=lambda day: day.name)
def test_exactly_these_alerts_fire(day: Day) -> None:
    outcome = outcome_of(day)
    assert outcome.ever == day.fires
    assert {minute: outcome.at[minute] for minute in day.at} == day.at
    assert not outcome.not_numbers, "recorded as NaN, which makes every average over it NaN"


def test_every_alert_has_a_day_and_is_in_the_table() -> None:
    alone = {name for day in faulty.DAYS if len(day.fires) == 1 for name in day.fires}
    assert alone == set(alert_names())
    assert {name for day in ALL_DAYS for name in day.fires} <= set(alert_names())
    text = "\n".join(table())
    assert all(f"| {name} | fault: " in text or f"; fault: {name.removeprefix('Stripwatch')}" in text for name in alone)


def test_day_names_are_unique() -> None:
    names = [day.name for day in ALL_DAYS]
    assert len(names) == len(set(names))


def test_simulated_workers_export_every_metric() -> None:
    """Add new metrics with labels to tests/deploy/days/exported.py."""
    assert [name for name, there in families().items() if not there] == []


def test_every_change_matches_a_series() -> None:
    """A renamed metric or label would otherwise leave a fault without effect."""
    for day in ALL_DAYS:
        series = {(each.name, tuple(each.labels.items())) for each in series_of(day)}
        for change in day.changes:
            assert any(
                name == change.metric and change.labels.items() <= dict(labels).items() for name, labels in series
            ), f"{day.name}: no series is {change.metric}{dict(change.labels)}"


def test_promtool_notation() -> None:
    values = np.array([0, 600, 1200, np.nan, np.nan, np.nan, 5, 5, 5, 0.5])
    stale = np.array([False] * 3 + [True] + [False] * 6)
    assert notation(Series("a", {}, values, stale)) == "0+600x2 stale _x2 5+0x2 0.5"
