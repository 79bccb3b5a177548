"""Settings of the page: shifts and their time zone."""

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.loader import load_settings


def test_shifts_are_sorted() -> None:
    view = load_settings(None, {"view": {"shifts": ["22:00", "06:00"], "time_zone": "Europe/Berlin"}}).view
    assert (view.shifts, view.time_zone) == (["06:00", "22:00"], "Europe/Berlin")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"shifts": ["6:00"]}, "must be times from 00:00 to 23:59, such as 06:00, not '6:00'"),
        ({"shifts": ["24:00"]}, "not '24:00'"),
        ({"shifts": ["06:00", "06:00"]}, "must be 1 to 12 different start times"),
        ({"shifts": []}, "must be 1 to 12 different start times"),
        ({"time_zone": "Europe/Berlyn"}, "must be the IANA name of a time zone, such as Europe/Berlin"),
        ({"time_zone": "../etc/passwd"}, "must be the IANA name of a time zone, such as Europe/Berlin"),
    ],
)
def test_error_names_the_wrong_shift_or_time_zone(given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=rf"view\.{next(iter(given))}") as raised:
        load_settings(None, {"view": given})
    assert message in str(raised.value)
