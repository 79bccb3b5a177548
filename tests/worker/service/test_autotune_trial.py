from pathlib import Path

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.model.loading.open_model import load_model
from stripwatch.worker.service.autotune_trial import run_trial
from tests.tiny import write_bundle


def test_repeats_the_golden_frames_through_the_pipeline(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "tiny.onnx")
    settings = load_settings(None, {"bundle": bundle, "provider": "cpu", "inference_threads": 1, "batch_frames_max": 2})
    assert run_trial(settings, load_model(settings), 0.5) > len(load_model(settings).session.bundle.manifest.golden)
