"""Real photographs of steel: train and export a model, send the images as four cameras, inspect and read the results.

With `-s` the test prints its measurements as one JSON line per broker.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.run_folder import Run, read_run
from stripwatch.worker.bench.results_tally import read_sent
from stripwatch.worker.images.decode import decode
from stripwatch.worker.simulator.frame_sender import SentFrame
from tests.e2e.line import Line, Record, run_cli, running_worker

pytestmark = pytest.mark.long

FIT_S_MAX = 600


@dataclass(frozen=True, slots=True)
class Steel:
    """A run on the NEU photographs, its bundle, and the Keras scores of each photograph."""

    run: Run
    bundle: Path
    keras_labels: dict[str, str]


@pytest.fixture(scope="session")
def steel(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Steel:
    folder = tmp_path_factory.mktemp("steel")
    photographs = shared / "data" / "neu-det" / "images"
    weights = shared / "weights" / "mobilenet_2_5_224_tf_no_top.h5"
    backbone = ("--network", "mobilenet", "--alpha", "0.25", "--weights", str(weights), "--copy-changes", "none")
    command("training", "fit", "--data", str(photographs), *backbone, "--epochs", "10", "--out", str(folder / "run"))
    command("export", "run", str(folder / "run"), "--out", str(folder / "steel.onnx"), "--name", "neu-mobilenet")
    run = read_run(folder / "run")
    return Steel(run, folder / "steel.onnx", judge_with_keras(folder / "run", run, photographs))


def command(package: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"stripwatch.{package}", *arguments], capture_output=True, text=True, timeout=FIT_S_MAX
    )
    assert done.returncode == 0, done.stderr


def judge_with_keras(folder: Path, run: Run, photographs: Path) -> dict[str, str]:
    files = sorted(photographs.glob("*.jpg"))
    pixels = np.stack([decode(file.read_bytes(), run.decode).pixels for file in files])
    scores = load_model(folder).predict(pixels, batch_size=32, verbose=0)
    return {file.name: run.labels[best] for file, best in zip(files, scores.argmax(axis=1), strict=True)}


def accuracy(labels: dict[str, str], names: list[str]) -> float:
    return sum(labels[name] == name.rsplit("_", 1)[0] for name in names) / len(names)


@pytest.mark.training
def test_the_worker_gives_real_photographs_the_labels_of_keras(
    line: Line, steel: Steel, shared: Path, tmp_path: Path
) -> None:
    with running_worker(line, steel.bundle, "steel") as worker:
        worker.await_ready()
        sent_path = tmp_path / "sent.jsonl"
        cameras = ("--cameras", "4", "--rate", "0", "--topic", line.topics["frames"], "--sent", str(sent_path))
        replayed = run_cli(
            "replay", str(shared / "data"), "--bootstrap-servers", line.broker.bootstrap_servers, *cameras
        )
        assert replayed.returncode == 0, replayed.stderr
        sent = read_sent(sent_path)
        line.read("results", len(sent))
        assert worker.stop() == 0
    results, rejects = line.read_all("results"), line.read_all("rejects")
    assert len(sent) == len(results) + len(rejects) == len(steel.keras_labels) + 47
    assert rejects == []
    found = labels_by_file(sent, [result.json for result in results])
    assert found == steel.keras_labels
    unseen = [frame.name for frame in steel.run.split.validation]
    assert accuracy(found, unseen) == pytest.approx(steel.run.validation.accuracy)
    assert accuracy(found, unseen) >= 0.97
    show_measured(line, steel, results, found, unseen)


def labels_by_file(sent: list[SentFrame], events: list[dict[str, Any]]) -> dict[str, str]:
    """Return the worker's label of each photograph of the NEU set."""
    files = {(frame.partition, frame.offset): Path(frame.file or "") for frame in sent}
    labels = {files[e["frame"]["partition"], e["frame"]["offset"]]: e["label"] for e in events}
    return {file.name: label for file, label in labels.items() if "neu-det" in file.parts}


def show_measured(line: Line, steel: Steel, results: list[Record], found: dict[str, str], unseen: list[str]) -> None:
    times_s = [result.timestamp_ms / 1000 for result in results]
    measured = {
        "broker": line.broker.name,
        "results": len(results),
        "frames_per_second": round(len(results) / (max(times_s) - min(times_s)), 1),
        "accuracy_unseen_keras": round(steel.run.validation.accuracy, 4),
        "accuracy_unseen_path": round(accuracy(found, unseen), 4),
        "accuracy_all_keras": round(accuracy(steel.keras_labels, list(found)), 4),
        "accuracy_all_path": round(accuracy(found, list(found)), 4),
    }
    print("\n" + json.dumps(measured))
