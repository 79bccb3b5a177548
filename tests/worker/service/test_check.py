"""`check` reports frame sizes and cameras that a model was not trained for, before the first frame."""

from pathlib import Path

import pytest

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.service.check import check
from tests.tiny import tiny_contract, write_bundle


def test_names_the_trained_sizes_and_cameras_of_another_scale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_bundle(tmp_path / "tiny.onnx", tiny_contract(trained=TrainedFrames.of([(48, 32)], [0.5])))
    cameras = {"top-1": {"mm_per_px": 0.5}, "top-2": {"mm_per_px": 2.0}, "top-3": {}}
    found = check(load_settings(None, {"bundle": bundle, "cameras": cameras}))
    assert found["trained"]["width_px"] == {"smallest": 48, "largest": 48}
    assert found["untrained_cameras"] == ["top-2"]
    stderr = capsys.readouterr().err
    assert "trained on frames of 48 x 32 px, 0.5 mm per px; frames of other sizes or scales are flagged" in stderr
    assert "warning: camera 'top-2' has 2 mm per px" in stderr


def test_an_older_bundle_does_not_state_trained_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = check(load_settings(None, {"bundle": write_bundle(tmp_path / "tiny.onnx")}))
    assert (found["trained"], found["untrained_cameras"]) == (None, [])
    assert "does not state the sizes of its training frames" in capsys.readouterr().err


def test_checks_the_certificate_of_the_health_port(tmp_path: Path) -> None:
    metrics = {"certificate_file": tmp_path / "nowhere.pem"}
    with pytest.raises(InputError, match=r"nowhere\.pem, named by 'metrics\.certificate_file'"):
        check(load_settings(None, {"bundle": write_bundle(tmp_path / "tiny.onnx"), "metrics": metrics}))
