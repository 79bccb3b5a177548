"""The effective settings as TOML and JSON."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.config.command_line.cli_options import sources_of
from stripwatch.worker.config.command_line.effective_settings import as_json, as_toml, effective_settings
from stripwatch.worker.config.loader import load_settings, settings_from
from stripwatch.worker.config.settings import Settings
from tests.worker.conftest import CommandLine, last_json

_FILE = """\
# of line 7
group_id = 'line "7"'
bundle = "a\\\\b.onnx"
[metrics]
port = 9109
[cameras."TOP 1"]
mm_per_px = 0.4
[cameras.b]
[thresholds.scratch]
sure = 0.8
[severity]
scratch = "critical"
[security]
protocol = "SASL_PLAINTEXT"
mechanism = "PLAIN"
username = "u"
password = "hunter2"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "worker.toml"
    path.write_text(_FILE)
    return path


def shown(config: Path | None, *pairs: str, changed: bool = False, **flags: Any) -> str:
    sources = sources_of(config, list(pairs), **flags)
    return as_toml(effective_settings(settings_from(sources), sources), changed)


@pytest.mark.parametrize("changed", [False, True])
def test_the_output_is_a_settings_file_with_the_same_settings(config: Path, tmp_path: Path, changed: bool) -> None:
    text = shown(config, "--deadline-ms=50", "topics.frames=my.frames", changed=changed)
    again = tmp_path / "again.toml"
    again.write_text(text.replace("**********", "hunter2"))
    before = load_settings(config, {"deadline_ms": 50, "topics": {"frames": "my.frames"}})
    assert {**load_settings(again, {}).model_dump(), "cameras": None} == {**before.model_dump(), "cameras": None}
    assert load_settings(again, {}).cameras["TOP 1"] == before.cameras["TOP 1"]


def test_every_setting_is_shown_with_its_origin() -> None:
    lines = shown(None).splitlines()
    for name in Settings.model_fields:
        if name not in ("cameras", "thresholds", "severity"):
            assert any(line.startswith((f"{name} = ", f"# {name} is not set", f"[{name}]")) for line in lines), name
    values = [line for line in lines if " = " in line or "is not set" in line]
    assert len(values) > 80
    assert all(line.endswith("  # default") for line in values if "A commented setting" not in line)
    assert shown(None, changed=True).splitlines()[1:] == []


def test_each_origin_is_named(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_LOG__LEVEL", "debug")
    monkeypatch.setenv("STRIPWATCH_EVIDENCE", '{"quality": 70}')
    lines = shown(config, "--evidence.enabled=true", "commit_ms=100", provider="cpu").splitlines()
    assert f'group_id = "line \\"7\\""  # {config}:2' in lines
    assert f"port = 9109  # {config}:5" in lines
    assert f"mm_per_px = 0.4  # {config}:7" in lines
    assert f"sure = 0.8  # {config}:10" in lines
    assert f'scratch = "critical"  # {config}:12' in lines
    assert 'level = "debug"  # STRIPWATCH_LOG__LEVEL' in lines
    assert "quality = 70  # STRIPWATCH_EVIDENCE" in lines
    assert "enabled = true  # --evidence.enabled" in lines
    assert "commit_ms = 100  # --set commit_ms" in lines
    assert 'provider = "cpu"  # --provider' in lines
    assert "# deadline_ms is not set  # default" in lines


def test_secrets_are_masked_in_both_forms(config: Path) -> None:
    sources = sources_of(config, [])
    found = effective_settings(settings_from(sources), sources)
    assert f'password = "**********"  # {config}:17, masked' in as_toml(found).splitlines()
    assert "hunter2" not in as_toml(found) + str(as_json(found)) + repr(found)
    assert as_json(found)["masked"] == ["security.password"]


def test_an_override_of_a_file_names_the_option_and_not_the_file(config: Path) -> None:
    assert "port = 1  # --metrics.port" in shown(config, "--metrics.port=1")


def test_json_has_the_values_and_the_origins(config: Path) -> None:
    sources = sources_of(config, [])
    found = as_json(effective_settings(settings_from(sources), sources), only_changed=True)
    assert found["settings"]["metrics"] == {"port": 9109}
    assert found["settings"]["thresholds"] == {"scratch": {"sure": 0.8, "unsure": None}}
    assert found["origins"]["metrics.port"] == f"{config}:5"
    assert found["origins"]['cameras."TOP 1".mm_per_px'] == f"{config}:7"


def test_the_command_prints_toml_or_json(config: Path, command_line: CommandLine) -> None:
    code, stdout, stderr = command_line("config", "show", "--config", config, "--changed", "--metrics.host", "::1")
    assert (code, stderr) == (0, "")
    assert tomllib.loads(stdout)["metrics"] == {"host": "::1", "port": 9109}
    code, stdout, _ = command_line("config", "show", "--config", config, "--json", "--changed")
    assert (code, last_json(stdout)["settings"]["metrics"]) == (0, {"port": 9109})
    code, stdout, stderr = command_line("config", "show", "--config", config, "--commit-ms", "1")
    assert (code, stdout) == (2, "")
    assert "option --commit-ms: setting 'commit_ms' must be an integer of at least 10 (got '1')" in stderr
