"""Settings: the later source wins, and whatever is wrong is named."""

from pathlib import Path

import pytest

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.sections import MetricsSettings

NAMELESS = (
    "metrics.port = 0 cannot identify this worker; "
    "set instance_id when using exactly-once delivery or static membership"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "worker.toml"


def test_flags_win_over_environment_over_file_over_defaults(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_cameras_and_thresholds_are_tables(config: Path) -> None:
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
        ("qqqqqq = 1", r"unknown setting 'qqqqqq'$"),
        ("batch_frames_max = 0", r"'batch_frames_max': input should be greater than or equal to 1 \(it is 0\)"),
        ('delivery = "twice"', r"'delivery': input should be 'at-least-once' or 'exactly-once'"),
        ('delivery = "exactly-once"\nmetrics.port = 0', f"^{NAMELESS}$"),
        ("static_membership = true\nmetrics.port = 0", f"^{NAMELESS}$"),
        ("metrics.prot = 1", r"unknown setting 'metrics.prot'; did you mean 'metrics.port'\?"),
        ("metrics.port = 70_000", "'metrics.port': input should be less than or equal to 65535"),
        ("metrics = 9108", "setting 'metrics' is a table with settings of its own, not a value"),
        ("max_poll_interval_ms = 9000", "'drain_s_max': .* shorter than max_poll_interval_ms"),
        ('[topics]\nreview = "inspection.frames"', "'topics': frames and review are one topic"),
        ("evidence.per_minute_max = 0", "'evidence.per_minute_max': input should be greater than 0"),
        ("batch_frames_max =", "is not valid TOML"),
        ("drain_s_max = inf", "'drain_s_max'"),
        ("broker.wait_s_max = inf", "'broker.wait_s_max'"),
        ("[cameras.a]\nmm_per_px = inf", "'cameras.a.mm_per_px'"),
        ('provider = "tensorrt"\ncuda_run = "bound"', "'cuda_run': it goes with provider cuda alone"),
        ('cuda_run = "graph"\nbatches_in_flight = 2', "'batches_in_flight': a CUDA graph runs one batch at a time"),
        ('late_frames = "skip-late"', "'late_frames': it needs deadline_ms"),
        ("[thresholds.a]\nsure = 0.2\nunsure = 0.9", "'thresholds.a': unsure is above sure"),
    ],
)
def test_a_wrong_file_is_named_with_its_key(config: Path, text: str, sentence: str) -> None:
    config.write_text(text)
    with pytest.raises(SettingsError, match=sentence):
        load_settings(config, {})


def test_the_file_is_named_by_its_flag_alone() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'config'"):
        load_settings(None, {"config": "x"})


def test_a_missing_file_is_named(config: Path) -> None:
    with pytest.raises(InputError, match=r"worker\.toml"):
        load_settings(config, {})


def test_a_typing_error_in_a_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_BUNDEL", "a.onnx")
    with pytest.raises(SettingsError, match=r"STRIPWATCH_BUNDEL; did you mean 'STRIPWATCH_BUNDLE'\?"):
        load_settings(None, {})


def test_a_variable_that_is_no_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_CAMERAS", "{")
    with pytest.raises(SettingsError, match='"cameras"'):
        load_settings(None, {})


def test_an_environment_variable_may_hold_a_whole_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_EVIDENCE", '{"enabled": true, "quality": 90}')
    assert (load_settings(None, {}).evidence.enabled, load_settings(None, {}).evidence.quality) == (True, 90)
