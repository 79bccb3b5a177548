"""Rules that hold for every setting. The cases come from the model of the settings, so a new setting is covered too."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import tomlkit
from pydantic import SecretStr

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.explanations import variable_of
from stripwatch.worker.config.fields.field_paths import (
    SettingPath,
    choices_of,
    entry_of,
    find_setting,
    kinds_of,
    model_of,
    settings_in,
)
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings

# Words of pydantic that mean nothing to a person who edits a settings file.
INTERNALS = re.compile(r"constrained|literal\[|function-|nullable|Input should|valid dictionary|unable to parse|union")


def all_settings() -> list[SettingPath]:
    """Return every setting, with the id "one" for cameras and labels."""
    found = []
    for setting in settings_in(Settings):
        entry = entry_of(setting.annotation)
        if entry is None:
            found.append(setting)
        elif (model := model_of(entry)) is not None:
            found += [
                SettingPath((*setting.path, "one", *each.path), each.model, each.field, each.annotation)
                for each in settings_in(model)
            ]
        else:
            found.append(SettingPath((*setting.path, "one"), setting.model, setting.field, entry))
    return found


SETTINGS = all_settings()
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: ".".join(setting.path))


def nested(setting: SettingPath, value: Any) -> dict[str, Any]:
    found = {setting.path[-1]: value}
    for key in reversed(setting.path[:-1]):
        found = {key: found}
    return found


def wrong_values(setting: SettingPath) -> list[Any]:
    """Return values of a wrong type, and numbers outside the limits of the field."""
    kinds = kinds_of(setting.annotation)
    wrong: list[Any] = [{"a": 1}]
    if int in kinds or float in kinds:
        limits = repr(setting.model.model_fields[setting.field])
        wrong += ["many", [1]]
        wrong += [10**30] if "Le(" in limits or "Lt(" in limits else []
        wrong += [-(10**30)] if "Ge(" in limits or "Gt(" in limits else []
        wrong += [] if type(None) in kinds else [""]
    elif bool in kinds:
        wrong += ["maybe", 7, [True]]
    elif choices_of(setting.annotation):
        wrong += ["Sometimes", 1, True, ["a"]]
    elif list not in kinds and tuple not in kinds:
        wrong += [1979, True, ["a"]]
    return wrong


@every_setting
def test_a_wrong_value_is_named_with_key_and_allowed_values(setting: SettingPath, tmp_path: Path) -> None:
    key, file = ".".join(setting.path), tmp_path / "worker.toml"
    for value in wrong_values(setting):
        file.write_text(tomlkit.dumps(nested(setting, value)))
        with pytest.raises(SettingsError) as raised:
            load_settings(file, {})
        message = str(raised.value)
        assert re.match(rf"{re.escape(str(file))}:\d+: ", message.rpartition("\n  ")[2]), message
        assert f"setting '{key}'" in message or f"'{key}." in message, message
        assert "must " in message or "is a table of settings" in message or "unknown setting" in message
        assert not INTERNALS.search(message), message


@every_setting
def test_a_choice_in_another_case_is_suggested(setting: SettingPath) -> None:
    for choice in choices_of(setting.annotation):
        with pytest.raises(SettingsError) as raised:
            load_settings(None, nested(setting, choice.swapcase()))
        assert f"did you mean {choice!r}?" in str(raised.value) or setting.path[0] == "security"


@every_setting
def test_an_empty_value_is_an_error_or_means_that_the_setting_is_not_set(
    setting: SettingPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "one" not in setting.path:
        monkeypatch.setenv(variable_of(".".join(setting.path)), "")
        given: dict[str, Any] = {}
    else:
        given = with_required(setting, "")
    if type(None) in kinds_of(setting.annotation):
        found: Any = load_settings(None, given)
        for key in setting.path:
            found = found[key] if isinstance(found, Mapping) else getattr(found, key)
        assert found is None
    elif setting.model.model_fields[setting.field].default == "":
        load_settings(None, given)
    else:
        with pytest.raises(SettingsError, match=f"setting '{'.'.join(setting.path)}' must "):
            load_settings(None, given)


def with_required(setting: SettingPath, value: Any) -> dict[str, Any]:
    """Return a value with the other keys that its table requires."""
    given = nested(setting, value)
    if setting.path[0] == "thresholds":
        given["thresholds"]["one"].setdefault("sure", 0.9)
    return given


@every_setting
def test_a_boolean_does_not_count_as_a_number(setting: SettingPath) -> None:
    kinds = kinds_of(setting.annotation)
    if bool not in kinds and (int in kinds or float in kinds):
        with pytest.raises(
            SettingsError, match=r"must be an? (integer|number).*\(got True\)|must be a number, not true"
        ):
            load_settings(None, nested(setting, True))


@every_setting
def test_every_setting_is_found_by_its_key_with_hyphens_and_in_any_case(setting: SettingPath) -> None:
    key = ".".join(setting.path)
    assert find_setting(Settings, key) == setting
    assert find_setting(Settings, key.replace("_", "-")) == setting
    if "one" not in setting.path:
        assert find_setting(Settings, key.upper()) == setting
    if setting.path[-1] != "one":  # the name of a label may contain dots
        assert find_setting(Settings, f"{key}.more") is None
        assert find_setting(Settings, f"{key}x") is None


def test_all_mistakes_of_all_sources_are_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "worker.toml"
    mistakes = [setting for setting in SETTINGS if int in kinds_of(setting.annotation) and "one" not in setting.path]
    document = tomlkit.document()
    for setting in mistakes:
        table: Any = document
        for key in setting.path[:-1]:
            table = table.setdefault(key, tomlkit.table())
        table[setting.path[-1]] = "many"
    text = tomlkit.dumps(document)
    file.write_text(text)
    monkeypatch.setenv("STRIPWATCH_LOG__LEVEL", "loud")
    with pytest.raises(SettingsError) as raised:
        load_settings(file, {"topics": {"results": "a b"}}, {("topics", "results"): "--topics.results"})
    title, *lines = str(raised.value).split("\n  ")
    assert title == f"{len(mistakes) + 2} errors in the settings:"
    for setting in mistakes:
        (line,) = [each for each in lines if f"setting '{'.'.join(setting.path)}' must be" in each]
        number = int(line.removeprefix(f"{file}:").partition(":")[0])
        assert text.splitlines()[number - 1].startswith(f"{setting.path[-1]} =")
    assert any(line.startswith("environment variable STRIPWATCH_LOG__LEVEL: setting 'log.level'") for line in lines)
    assert any(line.startswith("option --topics.results: setting 'topics.results' must be a topic") for line in lines)


def test_a_password_is_never_shown_in_an_error() -> None:
    secrets = [setting for setting in SETTINGS if SecretStr in kinds_of(setting.annotation)]
    assert [setting.path for setting in secrets] == [("security", "password")]
    for setting in SETTINGS:
        if setting.path[0] == "security" and get_args(setting.annotation) != ():
            with pytest.raises(SettingsError) as raised:
                load_settings(None, nested(setting, ["hunter2"]))
            assert "hunter2" not in str(raised.value)
