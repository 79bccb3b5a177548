"""Sections of the settings."""

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import SECTIONS, Settings


def test_lists_every_section_of_the_settings() -> None:
    """A section that is not listed is missing from the settings reference and from "did you mean" hints."""
    found = {name.split(".")[0] for name in SECTIONS}
    scalar = {"bundle", "provider", "group_id", "processes", "drain_s_max"}
    assert found <= set(Settings.model_fields)
    assert not found & scalar
    models = {name for name, field in Settings.model_fields.items() if hasattr(field.annotation, "model_fields")}
    assert models == {name for name in SECTIONS if "." not in name}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_of_a_section_has_a_description(section: str) -> None:
    assert all(field.description for field in SECTIONS[section].model_fields.values())


@pytest.mark.parametrize("value", [0, -2.5])
def test_a_novelty_threshold_is_above_zero(value: float) -> None:
    """Novelty scores are positive ratios, and the live page states them as multiples of the threshold."""
    with pytest.raises(SettingsError, match=r"'novelty\.threshold' must be a number above 0"):
        load_settings(None, {"novelty": {"threshold": value}})


@pytest.mark.parametrize("name", ["key_file", "key_password_file", "client_ca_file"])
def test_key_and_authority_files_require_a_certificate(name: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(None, {"metrics": {name: "a"}})
    expected = "setting 'metrics': key_file, key_password_file and client_ca_file require certificate_file"
    assert str(raised.value) == expected
