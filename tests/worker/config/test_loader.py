"""Loading settings: the priority of the sources, and the error messages."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.migration import migrate_file
from stripwatch.worker.config.overrides import parse_pairs
from stripwatch.worker.config.renames import RENAMES
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.config.settings import SECTIONS


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "worker.toml"


def test_flags_override_environment_override_file_override_defaults(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        'group_id = "file"\nbatch_frames_max = 3\nlinger_ms_max = 7\n[topics]\nframes = "f"\nresults = "file-r"'
    )
    monkeypatch.setenv("STRIPWATCH_BATCH_FRAMES_MAX", "4")
    monkeypatch.setenv("STRIPWATCH_LINGER_MS_MAX", "8")
    monkeypatch.setenv("STRIPWATCH_TOPICS__RESULTS", "env-r")
    monkeypatch.setenv("STRIPWATCH_METRICS__PORT", "9109")
    monkeypatch.setenv("STRIPWATCH_METRICS__HOST", "::1")
    settings = load_settings(config, {"linger_ms_max": 9, "bundle": None, "metrics": {"port": 9110}})
    assert (settings.group_id, settings.batch_frames_max, settings.linger_ms_max) == ("file", 4, 9)
    assert (settings.topics.frames, settings.topics.results) == ("f", "env-r")
    assert settings.topics.defects == "inspection.defects"
    assert settings.metrics == MetricsSettings(host="::1", port=9110)


def test_reads_cameras_and_thresholds_from_tables(config: Path) -> None:
    config.write_text('[cameras.top-1]\nmm_per_px = 0.5\nside = "top"\n[thresholds.scratches]\nsure = 0.9')
    settings = load_settings(config, {})
    assert settings.cameras["top-1"].mm_per_px == 0.5
    assert settings.thresholds["scratches"].sure == 0.9


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("batch_frame_max = 4", r"unknown setting 'batch_frame_max'; did you mean 'batch_frames_max'\?"),
        ('[topics]\nframe = "x"', r"unknown setting 'topics.frame'; did you mean 'topics.frames'\?"),
        ("[cameras.a]\nmm_per_pixel = 1", r"'cameras.a.mm_per_pixel'; did you mean 'cameras.ID.mm_per_px'\?"),
        (
            "evidence.foo = 1",
            "'evidence.foo'; the keys of evidence are enabled, per_minute_max, bytes_max, side_px_max, quality$",
        ),
        ("evidence.per_hour_max = 1", r"did you mean 'evidence.per_minute_max'\?"),
        ("metrics.PORT = 1", r"did you mean 'metrics.port'\?"),
        ('"evidence.enabled" = true', "unknown setting 'evidence.enabled'; write it without quotes: evidence.enabled"),
        ("GROUP_ID = 'a'\ngroup_id = 'b'", "settings 'GROUP_ID' and 'group_id' are the same; remove one"),
        ("[security]\nusername = 'u'", "'security': the mechanisms PLAIN and SCRAM require username"),
        ("qqqqqq = 1", r"unknown setting 'qqqqqq'$"),
        ("batch_frames_max = 0", r"'batch_frames_max' must be an integer from 1 to 1024 \(got 0\)"),
        ('delivery = "twice"', r"'delivery' must be 'at-least-once' or 'exactly-once'"),
        ('static_membership = "sometimes"', "'static_membership' must be true or false, or 'auto'"),
        ("processes = 0", r"'processes' must be an integer from 1 to 64, or 'auto' \(got 0\)"),
        ("bundle = 3", r"'bundle' must be a path \(got 3\)"),
        (
            "instance_id = 'a b'",
            "'instance_id' must be a string of at most 200 characters that contains only letters",
        ),
        ("group_id = 3", "worker.toml:1: setting 'group_id' must be a string"),
        ("metrics.prot = 1", r"unknown setting 'metrics.prot'; did you mean 'metrics.port'\?"),
        ("metrics.port = 70_000", "'metrics.port' must be an integer from 0 to 65535"),
        ("metrics = 9108", "setting 'metrics' is a table of settings; set its keys instead of a value"),
        ("max_poll_interval_ms = 9000", "'drain_s_max' must be shorter than max_poll_interval_ms"),
        ('[topics]\nreview = "inspection.frames"', "'topics': frames and review must be different topics"),
        ('[topics]\ncameras = "inspection.results"', "'topics': cameras and results must be different topics"),
        ('[topics]\ncoils = "inspection.acknowledgements"', "acknowledgements and coils must be different topics"),
        ("evidence.per_minute_max = 0", "'evidence.per_minute_max' must be a number above 0 and at most 60000"),
        ("batch_frames_max =", "is not valid TOML"),
        ("drain_s_max = inf", "'drain_s_max'"),
        ("broker.wait_s_max = inf", "'broker.wait_s_max'"),
        ("[cameras.a]\nmm_per_px = inf", "'cameras.a.mm_per_px'"),
        ('provider = "tensorrt"\ncuda_run = "bound"', "'cuda_run': bound and graph require provider cuda or auto"),
        ('cuda_run = "graph"\nbatches_in_flight = 2', "'batches_in_flight' must be 1 with cuda_run = graph"),
        ('late_frames = "skip-late"', "'late_frames': skip-late requires deadline_ms"),
        ('[severity]\nscratch = "bad"', "'severity.scratch' must be 'minor', 'major' or 'critical'"),
        (
            "[limits.defect_frames_per_100_m]\nscratch = -1",
            r"'limits.defect_frames_per_100_m.scratch' must be a number from 0 to 1000000",
        ),
        ("[limits]\nrejected = 5", "unknown setting 'limits.rejected'; did you mean 'limits.rejected_percent'"),
        ("[thresholds.a]\nsure = 0.2\nunsure = 0.9", "'thresholds.a': unsure must not be above sure"),
    ],
)
def test_names_the_key_of_an_invalid_setting(config: Path, text: str, sentence: str) -> None:
    config.write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        load_settings(config, {})


def test_rejects_config_as_a_setting() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'config'"):
        load_settings(None, {"config": "x"})


def test_names_the_file_whose_table_lacks_a_required_key(config: Path) -> None:
    config.write_text("[thresholds.crack]\nunsure = 0.5\n")
    with pytest.raises(SettingsError, match=r"worker\.toml:1: setting 'thresholds\.crack\.sure' is missing$"):
        load_settings(config, {})


def test_rejects_the_internal_name_of_the_file_as_a_setting() -> None:
    with pytest.raises(SettingsError, match="unknown setting '<file>'"):
        load_settings(None, parse_pairs(['"<file>"={group_id = "g"}']))


def test_names_a_missing_file(config: Path) -> None:
    with pytest.raises(InputError, match=r"worker\.toml"):
        load_settings(config, {})


def test_suggests_the_right_variable_for_a_typing_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_BUNDEL", "a.onnx")
    with pytest.raises(SettingsError, match=r"STRIPWATCH_BUNDEL; did you mean 'STRIPWATCH_BUNDLE'\?"):
        load_settings(None, {})


@pytest.mark.parametrize("key", [key for key in RENAMES.values() if key.replace(".", "_") not in RENAMES])
def test_suggests_two_underscores_for_a_variable_with_one(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    section, name = key.upper().split(".")
    monkeypatch.setenv(f"STRIPWATCH_{section}_{name}", "1")
    with pytest.raises(SettingsError, match=rf"did you mean 'STRIPWATCH_{section}__{name}'\?"):
        load_settings(None, {})


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{a=" * 5000, "a" + ".a" * 5000 + " = 1"])
def test_rejects_a_file_that_is_nested_too_deeply(config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(SettingsError, match="is not valid TOML: nested too deeply"):
        load_settings(config, {})
    with pytest.raises(SettingsError, match="is not valid TOML: nested too deeply"):
        migrate_file(config)


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b"])
@pytest.mark.parametrize("read", [lambda path: load_settings(path, {}), migrate_file])
def test_reports_an_impossible_file_name_as_an_input_error(
    config: Path, read: Callable[[Path], Any], name: str
) -> None:
    with pytest.raises(InputError, match=r"does not exist|cannot read"):
        read(config.with_name(name))


@pytest.mark.parametrize("kind", ["folder", "fifo", "device"])
def test_rejects_a_path_that_is_not_a_file(config: Path, kind: str) -> None:
    path = Path(os.devnull) if kind == "device" else config
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(InputError, match=f"^{path} is not a file$"):
        load_settings(path, {})


def test_accepts_a_byte_order_mark(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbfgroup_id = 'g'")
    assert load_settings(config, {}).group_id == "g"


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("LOG", "info", "; set STRIPWATCH_LOG__LEVEL instead"),
        ("log", "json", "; set STRIPWATCH_LOG__FORMAT instead"),
        ("METRICS", "9109", "; set STRIPWATCH_METRICS__PORT instead"),
        ("TOPICS", "frames", "; set STRIPWATCH_TOPICS__FRAMES instead"),
        ("SECURITY", "SSL", "; set STRIPWATCH_SECURITY__PROTOCOL instead"),
        ("DRIFT", "50", "; set STRIPWATCH_DRIFT__MEASURE_MS instead"),
        ("CAMERAS", "{", ""),
        ("CAMERAS", '{"a":' * 5000, ""),
        ("THRESHOLDS", "[0.5]", ""),
    ],
)
def test_requires_a_json_object_for_the_variable_of_a_section(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, instead: str
) -> None:
    monkeypatch.setenv(f"STRIPWATCH_{name}", value)
    with pytest.raises(SettingsError) as error:
        load_settings(None, {})
    assert str(error.value) == f"environment variable STRIPWATCH_{name.upper()} must be a JSON object{instead}"


@pytest.mark.parametrize("section", [name for name in SECTIONS if "." not in name and SECTIONS[name].model_fields])
def test_suggests_a_variable_inside_every_section(monkeypatch: pytest.MonkeyPatch, section: str) -> None:
    monkeypatch.setenv(f"STRIPWATCH_{section.upper()}", "yes")
    with pytest.raises(SettingsError, match=f"STRIPWATCH_{section.upper()}__"):
        load_settings(None, {})


def test_reads_a_whole_section_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_EVIDENCE", '{"enabled": true, "quality": 90}')
    assert (load_settings(None, {}).evidence.enabled, load_settings(None, {}).evidence.quality) == (True, 90)
