"""Settings from the environment: camera names are case-sensitive, keys are not, Kubernetes variables are ignored."""

import pytest
import structlog

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.command_line.cli_options import settings_of
from stripwatch.worker.config.environment import environment_values
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings

_VALUES = {
    "SERVICE_HOST": "10.0.0.1",
    "SERVICE_PORT": "9108",
    "PORT": "tcp://10.0.0.1:9108",
    "PORT_9108_TCP": "tcp://10.0.0.1:9108",
    "PORT_9108_TCP_ADDR": "10.0.0.1",
}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(None, {})


@pytest.mark.parametrize("name", ["TOP-1", "top-1", "Top 1", "TOP__1", "Kamera ä"])
def test_keeps_the_case_of_a_camera_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    settings = load(monkeypatch, **{f"STRIPWATCH_CAMERAS__{name}__MM_PER_PX": "0.5"})
    assert {name: 0.5} == {camera: setting.mm_per_px for camera, setting in settings.cameras.items()}


def test_distinguishes_cameras_that_differ_only_in_case(monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = "STRIPWATCH_CAMERAS__TOP__MM_PER_PX", "STRIPWATCH_CAMERAS__top__MM_PER_PX"
    settings = load(monkeypatch, **{one: "0.5", two: "0.25"})
    assert {name: camera.mm_per_px for name, camera in settings.cameras.items()} == {"TOP": 0.5, "top": 0.25}


def test_keeps_the_case_of_a_label(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, STRIPWATCH_THRESHOLDS__Pitted_Surface__SURE="0.9", STRIPWATCH_thresholds__a__sure="1")
    assert {name: each.sure for name, each in settings.thresholds.items()} == {"Pitted_Surface": 0.9, "a": 1}


def test_ignores_the_case_of_a_setting_key(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, stripwatch_metrics__port="1", STRIPWATCH_Log__Level="debug", Stripwatch_Group_ID="g")
    assert (settings.metrics.port, settings.log.level, settings.group_id) == (1, "debug", "g")


def test_rejects_two_spellings_of_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="STRIPWATCH_LOG__LEVEL and STRIPWATCH_Log__Level set the same"):
        load(monkeypatch, STRIPWATCH_LOG__LEVEL="debug", STRIPWATCH_Log__Level="info")


def test_reads_a_section_or_a_camera_from_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        STRIPWATCH_CAMERAS='{"TOP 1": {"mm_per_px": 0.5}, "b": {"side": "top"}}',
        STRIPWATCH_CAMERAS__b='{"side": "bottom", "mm_per_px": 1}',
        STRIPWATCH_CAMERAS__b__MM_PER_PX="2",
        STRIPWATCH_METRICS='{"port": 1, "host": "::1"}',
        STRIPWATCH_METRICS__PORT="2",
    )
    assert settings.cameras["TOP 1"].mm_per_px == 0.5
    assert (settings.cameras["b"].side, settings.cameras["b"].mm_per_px) == ("bottom", 2)
    assert (settings.metrics.port, settings.metrics.host) == (2, "::1")


def test_keeps_text_that_looks_like_json() -> None:
    assert environment_values({"STRIPWATCH_GROUP_ID": "{}"}) == {"group_id": "{}"}


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("STRIPWATCH_METRICS_PROT", "did you mean 'STRIPWATCH_METRICS__PORT'"),
        ("STRIPWATCH_METRICS__PROT", "unknown setting 'metrics.prot'; did you mean 'metrics.port'"),
        ("STRIPWATCH_CAMERAS__TOP-1__MM_PER_PIX", "unknown setting 'cameras.TOP-1.mm_per_pix'; did you mean"),
        ("STRIPWATCH_CAMERAS__TOP-1", "setting 'cameras.TOP-1' is a table"),
        ("STRIPWATCH_GROUP_ID__X", "setting 'group_id'"),
    ],
)
def test_suggests_the_right_name_for_a_typing_error(monkeypatch: pytest.MonkeyPatch, name: str, error: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load(monkeypatch, **{name: "1"})
    assert error in str(raised.value)


@pytest.mark.parametrize("service", ["", "METRICS_", "LOG_", "TOPICS_", "KAFKA_", "METRICS__PORT_", "CAMERAS__TOP_1_"])
@pytest.mark.parametrize(("name", "value"), _VALUES.items())
def test_ignores_the_variables_of_a_kubernetes_service(
    monkeypatch: pytest.MonkeyPatch, service: str, name: str, value: str
) -> None:
    """`stripwatch-metrics--port` is a legal service name, too."""
    defaults = load_settings(None, {})
    assert load(monkeypatch, **{f"STRIPWATCH_{service}{name}": value}) == defaults


def test_logs_the_variables_that_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPWATCH_METRICS_PORT", "tcp://10.0.0.1:9108")
    monkeypatch.setenv("STRIPWATCH_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr("stripwatch.worker.config.command_line.cli_options.set_up_logs", lambda *_: None)
    with structlog.testing.capture_logs() as lines:
        settings_of(None, None)
    assert [line["variables"] for line in lines] == [["STRIPWATCH_METRICS_PORT", "STRIPWATCH_SERVICE_HOST"]]


def test_keeps_the_case_of_labels_in_tables_of_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        STRIPWATCH_SEVERITY__Edge__Crack="critical",
        STRIPWATCH_LIMITS__DEFECT_FRAMES_PER_100_M__Scratch="5",
        STRIPWATCH_LIMITS__REJECTED_PERCENT="3",
    )
    assert settings.severity == {"Edge__Crack": "critical"}
    assert settings.limits.defect_frames_per_100_m == {"Scratch": 5}
    assert settings.limits.rejected_percent == 3


def test_reads_a_table_of_labels_from_a_json_object(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch,
        STRIPWATCH_SEVERITY='{"edge crack": "critical"}',
        STRIPWATCH_LIMITS__DEFECT_FRAMES_PER_100_M='{"edge crack": 2}',
    )
    assert settings.severity == {"edge crack": "critical"}
    assert settings.limits.defect_frames_per_100_m == {"edge crack": 2}
