"""End-to-end test on real photographs: train, export, and run `stripwatch inspect` on unseen frames."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.validation_scores import score
from stripwatch.export.convert.verify import verify
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.run_folder import Run
from stripwatch.training.fitting.fit import fit
from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service.offline import inspect_folder

pytestmark = [pytest.mark.training, pytest.mark.long]


def test_worker_reproduces_keras_labels_on_neu_photographs(shared: Path, tmp_path: Path) -> None:
    data, weights = shared / "data" / "neu-det", shared / "weights" / "mobilenet_2_5_224_tf_no_top.h5"
    usual = FitSettings(data, tmp_path / "run", "mobilenet", alpha=0.25, weights=str(weights), seed=1)
    run = fit(replace(usual, copy_changes="none"))  # takes less time
    assert run.validation.accuracy >= 0.97
    assert run.validation.frames == 312
    export_run(ExportSettings(tmp_path / "run", tmp_path / "model.onnx"))
    assert verify(tmp_path / "model.onnx").golden_difference <= 5e-5

    found = inspect_unseen(run, data, tmp_path)
    assert found == labels_of_keras(run, data, tmp_path / "run")
    truth = {frame.name: frame.label for frame in run.split.validation}
    assert sum(found[name] == label for name, label in truth.items()) / len(truth) == run.validation.accuracy
    together = [
        {"patches_101.jpg", "patches_105.jpg"} & {Path(frame.name).stem + ".jpg" for frame in part}
        for part in (run.split.train, run.split.validation)
    ]
    assert sorted(map(len, together)) == [0, 2]  # a duplicate photograph


def inspect_unseen(run: Run, data: Path, folder: Path) -> dict[str, str]:
    """Return the worker's result for each validation frame."""
    for frame in run.split.validation:
        (folder / "unseen" / frame.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data / frame.name, folder / "unseen" / frame.name)
    settings = load_settings(None, {"bundle": folder / "model.onnx", "provider": "cpu"})
    counted = inspect_folder(settings, folder / "unseen", folder / "results.jsonl")
    assert counted["results"] == len(run.split.validation)
    events = map(json.loads, (folder / "results.jsonl").read_text().splitlines())
    return {event["frame"]["file"]: event["label"] for event in events}


def labels_of_keras(run: Run, data: Path, folder: Path) -> dict[str, str]:
    model = load_model(folder)
    with new_progress() as progress:
        scores = score(run, data, lambda batch: {"scores": model.predict_on_batch(batch)}, progress, "Keras")["scores"]
    return {
        frame.name: run.labels[best] for frame, best in zip(run.split.validation, scores.argmax(axis=1), strict=True)
    }
