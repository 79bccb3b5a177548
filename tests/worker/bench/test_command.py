import pytest

from stripwatch.worker.bench.command import bench, limit_note
from stripwatch.worker.common.errors import SettingsError


@pytest.mark.parametrize(("pair", "written"), [("--log.level=x", "--log.level"), ("log.level=x", "--set log.level")])
def test_an_invalid_setting_names_its_option(pair: str, written: str) -> None:
    with pytest.raises(SettingsError, match=rf"^option {written}: setting 'log\.level' must be 'debug'"):
        bench(setting=[pair])


@pytest.mark.parametrize(
    ("share", "note"),
    [
        (0.253, "worker reaches 25%"),
        (1.003, "worker reaches 100%"),
        (1.6, "worker exceeds it; repeat on an idle machine"),
    ],
)
def test_a_worker_faster_than_its_limits_shows_that_the_machine_was_busy(share: float, note: str) -> None:
    assert limit_note(share) == note
