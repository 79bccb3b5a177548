import pytest

from stripwatch.worker.bench.command import bench
from stripwatch.worker.common.errors import SettingsError


@pytest.mark.parametrize(("pair", "written"), [("--log.level=x", "--log.level"), ("log.level=x", "--set log.level")])
def test_an_invalid_setting_names_its_option(pair: str, written: str) -> None:
    with pytest.raises(SettingsError, match=rf"^option {written}: setting 'log\.level' must be 'debug'"):
        bench(setting=[pair])
