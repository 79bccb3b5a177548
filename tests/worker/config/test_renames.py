"""Old keys are errors that name the new key, in the file, in flags and in the environment."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.overrides import parse_pairs
from stripwatch.worker.config.renames import RENAMES
from stripwatch.worker.config.settings import SECTIONS, Settings

SERVICE_VARIABLES = {
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "9108",
    "SERVICE_PORT_HTTP": "9108",
    "PORT": "tcp://10.0.0.1:9108",
    "PORT_9108_TCP": "tcp://10.0.0.1:9108",
    "PORT_9108_TCP_PROTO": "tcp",
    "PORT_9108_TCP_PORT": "9108",
    "PORT_9108_TCP_ADDR": "10.0.0.1",
}


def error_of(config: Path | None = None, flags: dict[str, Any] | None = None) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(config, flags or {})
    assert error.value.exit_code == 2
    return str(error.value)


def test_new_keys_are_settings_and_old_keys_are_not() -> None:
    for old, new in RENAMES.items():
        section, name = new.split(".")
        assert name in SECTIONS[section].model_fields
        assert old not in Settings.model_fields or old in SECTIONS


@pytest.mark.parametrize(("old", "new"), RENAMES.items())
@pytest.mark.parametrize("value", ["true", "1", '"file.onnx"', "[1]"])
def test_names_an_old_key_in_a_file(tmp_path: Path, old: str, new: str, value: str) -> None:
    config = tmp_path / "worker.toml"
    config.write_text(f'{old} = {value}\ngroup_id = "g"\n')
    advice = f"to rewrite the file, run: stripwatch config migrate {config}"
    assert error_of(config) == f"setting {old!r} is now {new!r}; {advice}"


@pytest.mark.parametrize(("old", "new"), RENAMES.items())
@pytest.mark.parametrize("value", ["true", "1", "file.onnx"])
def test_names_an_old_key_in_a_flag(old: str, new: str, value: str) -> None:
    error = error_of(None, parse_pairs([f"{old}={value}"]))
    assert error == f"setting {old!r} is now {new!r}; use the new key on the command line"


@pytest.mark.parametrize(("old", "new"), [("Evidence", "evidence.enabled"), ("METRICS_PORT", "metrics.port")])
def test_names_an_old_key_in_other_case(tmp_path: Path, old: str, new: str) -> None:
    config = tmp_path / "worker.toml"
    config.write_text(f"{old} = 1")
    assert f"setting {old!r} is now {new!r}" in error_of(config)
    assert f"setting {old.lower()!r} is now {new!r}" in error_of(None, parse_pairs([f"{old}=1"]))


def test_does_not_take_a_list_of_tables_for_an_old_key(tmp_path: Path) -> None:
    config = tmp_path / "worker.toml"
    config.write_text("[[evidence]]\nquality = 1")
    assert error_of(config) == f"{config}:1: setting 'evidence' is a table of settings; set its keys instead of a value"


def test_the_suggested_command_can_be_pasted_into_a_shell(tmp_path: Path) -> None:
    config = tmp_path / "line 1's; worker.toml"
    config.write_text("metrics_port = 1")
    command = error_of(config).partition("run: ")[2]
    assert shlex.split(command) == ["stripwatch", "config", "migrate", str(config)]


@pytest.mark.parametrize("pairs", [["evidence=true", "evidence.quality=90"], ["evidence.quality=90", "evidence=true"]])
def test_names_an_old_key_next_to_a_new_one(pairs: list[str]) -> None:
    assert "setting 'evidence' is now 'evidence.enabled'" in error_of(None, parse_pairs(pairs))


@pytest.mark.parametrize(("old", "new"), RENAMES.items())
@pytest.mark.parametrize("value", ["true", "9108", "file.onnx", ""])
def test_names_an_old_environment_variable(monkeypatch: pytest.MonkeyPatch, old: str, new: str, value: str) -> None:
    monkeypatch.setenv(f"STRIPWATCH_{old.upper()}", value)
    new_variable = f"STRIPWATCH_{new.upper().replace('.', '__')}"
    assert error_of() == f"environment variable STRIPWATCH_{old.upper()} is now {new_variable}"


def test_names_an_old_variable_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydantic-settings reads lower-case variables as well."""
    monkeypatch.setenv("stripwatch_metrics_port", "9108")
    assert "STRIPWATCH_METRICS_PORT is now STRIPWATCH_METRICS__PORT" in error_of()


def test_names_all_old_keys_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "worker.toml"
    config.write_text('evidence = true\nmetrics_port = 1\nbundel = "a"')
    monkeypatch.setenv("STRIPWATCH_LOG_LEVEL", "debug")
    monkeypatch.setenv("STRIPWATCH_BUNDEL", "a")
    title, old, variable, unknown = error_of(config, parse_pairs(["shadow_share=1", "metrics_port=2"])).split("\n  ")
    assert title == "3 errors in the settings:"
    assert old.split("; ") == [
        "setting 'evidence' is now 'evidence.enabled'",
        "setting 'metrics_port' is now 'metrics.port'",
        "setting 'shadow_share' is now 'shadow.share'",
        "environment variable STRIPWATCH_LOG_LEVEL is now STRIPWATCH_LOG__LEVEL",
        f"to rewrite the file, run: stripwatch config migrate {config}",
        "use the new key on the command line",
    ]
    assert variable == "unknown environment variable STRIPWATCH_BUNDEL; did you mean 'STRIPWATCH_BUNDLE'?"
    assert unknown == f"{config}:3: unknown setting 'bundel'; did you mean 'bundle'?"


@pytest.mark.parametrize("service", ["", "METRICS_", "WORKER_", "EVIDENCE_", "LINE_1_METRICS_"])
@pytest.mark.parametrize(("name", "value"), SERVICE_VARIABLES.items())
def test_ignores_the_variables_of_a_kubernetes_service(
    monkeypatch: pytest.MonkeyPatch, service: str, name: str, value: str
) -> None:
    defaults = load_settings(None, {})
    monkeypatch.setenv(f"STRIPWATCH_{service}{name}", value)
    assert load_settings(None, {}) == defaults


def test_distinguishes_the_port_of_a_service_from_the_old_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("tcp://10.0.0.1:9108", "udp://[fd00::1]:9108"):
        monkeypatch.setenv("STRIPWATCH_METRICS_PORT", value)
        assert load_settings(None, {}).metrics.port == 9108
    monkeypatch.setenv("STRIPWATCH_METRICS_PORT", "9108")
    assert error_of() == "environment variable STRIPWATCH_METRICS_PORT is now STRIPWATCH_METRICS__PORT"


@pytest.mark.parametrize("name", ["WORKER_PORT", "PORT", "SERVICE_PROT", "METRICS_PORT_9108", "METRICS__PROT"])
def test_rejects_a_variable_that_only_resembles_one_of_kubernetes(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"STRIPWATCH_{name}", "9108")
    assert "unknown" in error_of()
