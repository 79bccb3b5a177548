"""`check` takes the steps of `run` up to its first frame, and reports every problem."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import BundleError, InputError, SettingsError, StripwatchError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.service.check import Report, check
from stripwatch.worker.service.startup import PRECONDITIONS, require_preconditions
from tests.tiny import TINY_REFERENCE, tiny_contract, watchful_contract, write_bundle
from tests.worker.conftest import CommandLine, last_json


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny.onnx")


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def settings_with(path: Path | None, **given: Any) -> Settings:
    return load_settings(None, {"bundle": path, "metrics": {"port": 0}, **given})


def statuses(report: Report) -> dict[str, str]:
    return {result.check: result.status for result in report.results}


def detail(report: Report, name: str) -> str:
    return next(result.detail for result in report.results if result.check == name)


def test_everything_is_ok_for_a_bundle_that_runs(bundle: Path) -> None:
    report = check(settings_with(bundle))
    assert set(statuses(report).values()) == {"ok"}
    assert [step.name for step in PRECONDITIONS] == list(statuses(report))[1 : len(PRECONDITIONS) + 1]
    summary = report.outcome().summary
    assert (summary["ok"], summary["name"], summary["layout"]["processes"]) == (True, "tiny", 1)
    report.raise_first()


def test_reports_all_problems_and_ends_like_run(bundle: Path, tmp_path: Path, used_port: int) -> None:
    settings = settings_with(
        tmp_path / "missing.onnx",
        metrics={"port": used_port, "certificate_file": tmp_path / "no.pem"},
        security={
            "protocol": "SASL_SSL",
            "ca_file": tmp_path / "no-ca.pem",
            "mechanism": "PLAIN",
            "username": "u",
            "password_file": tmp_path / "no-password",
        },
        shadow={"bundle": tmp_path / "no-shadow.onnx"},
    )
    report = check(settings)
    assert statuses(report) == {
        "settings": "ok",
        "bundle file": "failed",
        "Kafka certificates": "failed",
        "Kafka login": "failed",
        "metrics certificate": "failed",
        "metrics port": "failed",
        "processes": "skipped",
        "model": "skipped",
        "shadow bundle": "warning",
    }
    assert len(report.errors) == 5
    with pytest.raises(BundleError, match=r"missing\.onnx") as by_check:
        report.raise_first()
    with pytest.raises(BundleError) as by_run:
        require_preconditions(settings)
    assert str(by_run.value) == str(by_check.value)


@pytest.mark.parametrize(
    ("given", "error", "name"),
    [
        ({"bundle": ""}, SettingsError, "bundle file"),
        ({"security": {"protocol": "SSL", "ca_file": "no-ca.pem"}}, InputError, "Kafka certificates"),
        (
            {
                "security": {
                    "protocol": "SASL_PLAINTEXT",
                    "mechanism": "OAUTHBEARER",
                    "token_file": "no-token",
                }
            },
            InputError,
            "Kafka login",
        ),
        ({"metrics": {"certificate_file": "no.pem"}}, InputError, "metrics certificate"),
        ({"metrics": {"host": "203.0.113.1"}}, SettingsError, "metrics port"),
    ],
)
def test_check_and_run_fail_with_the_same_error(
    bundle: Path, given: dict[str, Any], error: type[StripwatchError], name: str
) -> None:
    settings = settings_with(bundle, **given)
    with pytest.raises(error) as by_run:
        require_preconditions(settings)
    report = check(settings)
    assert [result.check for result in report.results if result.status == "failed"] == [name]
    assert [str(each) for each in report.errors] == [str(by_run.value)]


def test_a_provider_that_is_missing_fails_as_in_run(bundle: Path) -> None:
    report = check(settings_with(bundle, provider="cuda"))
    failed = [result for result in report.results if result.status == "failed"]
    assert [type(result.error) for result in failed] == [SettingsError]
    assert failed[0].check in ("processes", "model")


def test_a_port_of_another_program_is_an_error_and_that_of_a_worker_a_warning(bundle: Path, used_port: int) -> None:
    report = check(settings_with(bundle, metrics={"port": used_port}))
    assert statuses(report)["metrics port"] == "failed"
    assert "another process uses the port" in detail(report, "metrics port")
    worker = HealthServer(Settings.model_validate({"metrics": {"port": 0}}).metrics, CollectorRegistry(), dict)
    try:
        report = check(settings_with(bundle, metrics={"port": worker.port}))
    finally:
        worker.close()
    assert (statuses(report)["metrics port"], report.errors) == ("warning", [])
    assert detail(report, "metrics port").startswith(f"a running Stripwatch worker uses port {worker.port}: stop it")


def test_a_broken_bundle_fails_the_model(tmp_path: Path) -> None:
    bundle = tmp_path / "broken.onnx"
    bundle.write_bytes(b"not onnx")
    report = check(settings_with(bundle))
    assert (statuses(report)["bundle file"], statuses(report)["model"]) == ("ok", "failed")
    assert report.outcome().summary["name"] is None
    with pytest.raises(BundleError):
        report.raise_first()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_warns_of_a_cache_folder_that_is_not_writable(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o500)
    report = check(settings_with(bundle, processes="auto", cache_folder=folder / "stripwatch"))
    assert statuses(report)["cache folder"] == "warning"


def test_warns_of_a_cache_folder_below_a_file(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripwatch.worker.service.autotune.usable_cores", lambda: 1)  # so that nothing is tried
    report = check(settings_with(bundle, processes="auto", cache_folder=bundle / "cache"))
    assert statuses(report)["cache folder"] == "warning"
    assert f"{bundle} is not a folder" in detail(report, "cache folder")
    assert report.errors == []


def test_names_the_trained_sizes_and_cameras_of_another_scale(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny.onnx", tiny_contract(trained=TrainedFrames.of([(48, 32)], [0.5])))
    cameras = {"top-1": {"mm_per_px": 0.5}, "top-2": {"mm_per_px": 2.0}, "top-3": {}}
    report = check(settings_with(bundle, cameras=cameras))
    summary = report.outcome().summary
    assert summary["trained"]["width_px"] == {"smallest": 48, "largest": 48}
    assert summary["untrained_cameras"] == ["top-2"]
    assert "trained on frames of 48 x 32 px, 0.5 mm per px; frames of other" in detail(report, "frame sizes")
    assert statuses(report)["camera top-2"] == "warning"
    assert detail(report, "camera top-2").startswith("2 mm per px is not a trained scale: its frames are flagged")


def test_an_older_bundle_does_not_state_trained_sizes(bundle: Path) -> None:
    report = check(settings_with(bundle))
    assert (report.model["trained"], report.model["untrained_cameras"]) == (None, [])
    assert "does not state the sizes of its training frames" in detail(report, "frame sizes")


@pytest.mark.parametrize(
    ("novelty", "status", "text", "threshold"),
    [
        ({}, "ok", "a score above 0.3 are unsure (chosen for 1.00% false alarms)", 0.3),
        ({"threshold": 0.5}, "ok", "above 0.5 are unsure (from the setting novelty.threshold; the bundle has 0.3", 0.5),
        ({"verdict": "ignore"}, "ok", "no frame is novel (setting novelty.verdict = ignore)", None),
    ],
)
def test_states_which_frames_are_novel(
    tmp_path: Path, novelty: dict[str, Any], status: str, text: str, threshold: float | None
) -> None:
    bundle = write_bundle(tmp_path / "watchful.onnx", watchful_contract())
    report = check(settings_with(bundle, novelty=novelty))
    assert statuses(report)["novelty"] == status
    assert text in detail(report, "novelty")
    assert report.outcome().summary["novelty_threshold"] == threshold


def test_states_the_limits_of_the_camera_conditions(tmp_path: Path) -> None:
    limits = {"noisy": CameraLimit("noise", 7.4, True, "noise", "grey levels", 4, 8)}
    file = write_bundle(tmp_path / "a.onnx", tiny_contract(reference=TINY_REFERENCE, camera_limits=limits))
    report = check(settings_with(file, drift={"dark_ratio": 0.5}))
    assert detail(report, "limit for noisy") == "noise above 7.4: this model fails from noise 8 (grey levels)"
    assert detail(report, "limit for dark").endswith("drift.dark_ratio 0.5 of the training frames")
    assert report.outcome().summary["camera_limits"]["noisy"]["value"] == 7.4


def test_warns_of_a_ratio_of_a_statistic_that_the_bundle_does_not_have(tmp_path: Path) -> None:
    old = msgspec.structs.replace(TINY_REFERENCE, noise=None)
    file = write_bundle(tmp_path / "a.onnx", tiny_contract(reference=old))
    report = check(settings_with(file, drift={"noisy_ratio": 3, "dark_ratio": 0.5}))
    assert statuses(report)["drift.noisy_ratio"] == "warning"
    assert "export the run again" in detail(report, "drift.noisy_ratio")
    assert "drift.dark_ratio" not in statuses(report)


def test_warns_of_a_novelty_threshold_without_a_novelty_score(bundle: Path) -> None:
    assert statuses(check(settings_with(bundle)))["novelty"] == "ok"
    report = check(settings_with(bundle, novelty={"threshold": 0.5}))
    assert statuses(report)["novelty"] == "warning"
    assert "novelty.threshold has no effect" in detail(report, "novelty")


def test_a_shadow_that_loads_is_ok(bundle: Path) -> None:
    assert statuses(check(settings_with(bundle, shadow={"bundle": bundle})))["shadow bundle"] == "ok"


def test_the_command_prints_one_object_and_the_error_of_run(
    bundle: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    code, stdout, stderr = command_line("check", "--bundle", bundle, "--metrics.port", "0")
    assert (code, last_json(stdout)["ok"]) == (0, True)
    assert len(stdout.splitlines()) == 1
    assert "metrics port" in stderr
    code, stdout, stderr = command_line("check", "--bundle", tmp_path / "no.onnx", "--metrics.port", "0")
    assert (code, last_json(stdout)["ok"]) == (3, False)
    assert stderr.splitlines()[-1].startswith("error: cannot read the bundle")


def test_the_command_reports_settings_that_run_refuses(bundle: Path, tmp_path: Path, command_line: CommandLine) -> None:
    config = tmp_path / "worker.toml"
    config.write_text('log.level = "loud"')
    code, stdout, stderr = command_line("check", "--bundle", bundle, "--config", config)
    (result,) = last_json(stdout)["checks"]
    assert (code, result["check"], result["status"]) == (2, "settings", "failed")
    rule = "must be 'debug', 'info', 'warning' or 'error' (got 'loud'); option --log-level"
    assert result["detail"] == f"{config}:1: setting 'log.level' {rule}"
    assert stderr.splitlines()[-1] == f"error: {result['detail']}"
