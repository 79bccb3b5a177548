"""An anomaly model from clean images to verdicts of the worker."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import stripwatch
from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.verify import verify
from stripwatch.export.results.run_evaluation import KindFigures
from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate_run
from stripwatch.training.fitting.fit import fit
from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.worker.common.errors import DataError, SettingsError
from stripwatch.worker.simulator.dataset_writer import write_dataset
from tests.trained import tiny_fit
from tests.training.conftest import run_cli, touch

pytestmark = pytest.mark.training
SIDE_PX = 96
CLEAN_FRAMES = 40
LITE0 = "weights/efficientnet_lite0_notop.weights.h5"


def surface(rng: np.random.Generator, spot: bool = False) -> np.ndarray[Any, np.dtype[np.uint8]]:
    pixels = rng.normal(120, 10, (SIDE_PX, SIDE_PX))
    if spot:
        pixels[20:50, 55:85] -= 90
    return np.asarray(pixels.clip(0, 255), np.uint8)


@pytest.fixture(scope="module")
def clean_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("good_strip"), np.random.default_rng(11)
    for number in range(CLEAN_FRAMES):
        cv2.imwrite(str(folder / f"frame{number}.png"), surface(rng))
    return folder


@pytest.fixture(scope="module")
def mixed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("mixed"), np.random.default_rng(12)
    for name, spot in (("good", False), ("spot", True)):
        (folder / name).mkdir()
        for number in range(8):
            cv2.imwrite(str(folder / name / f"{number}.png"), surface(rng, spot))
    return folder


@pytest.fixture(scope="module")
def settings(clean_folder: Path, random_weights: Path) -> Callable[[Path], FitSettings]:
    return lambda out: replace(
        tiny_fit(
            clean_folder, out, weights=str(random_weights), cut="conv_pw_5_relu", task="anomaly", copy_changes=None
        ),
        epochs=10,
        novelty_false_alarms=0.05,
    )


@pytest.fixture(scope="module")
def run_folder(settings: Callable[[Path], FitSettings], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "anomaly"
    fit(settings(folder))
    return folder


def test_a_folder_of_clean_images_without_classes_is_enough(run_folder: Path) -> None:
    run = read_run(run_folder)
    assert run.labels == ["anomaly", "clean"]
    assert run.clean_label == "clean"
    assert run.configuration.task == "anomaly"
    assert {frame.label for frame in run.split.train + run.split.validation} == {"clean"}
    assert run.anomaly is not None
    assert run.anomaly.frames == len(run.split.train) == 32
    assert run.anomaly.found is None
    assert run.files is not None
    assert run.files.used == CLEAN_FRAMES


def test_finds_and_locates_what_it_has_never_seen(run_folder: Path, mixed_folder: Path, tmp_path: Path) -> None:
    test = tmp_path / "test"
    shutil.copytree(mixed_folder / "good", test / "clean")  # under the clean label of the run
    shutil.copytree(mixed_folder / "spot", test / "spot")
    boxes = tmp_path / "truth.jsonl"
    box = {"x": 45, "y": 10, "width": 50, "height": 50}  # with a margin: random features locate roughly
    lines = (
        {"file": f"spot/{number}.png", "label": "spot", "width_px": SIDE_PX, "height_px": SIDE_PX, "boxes": [box]}
        for number in range(8)
    )
    boxes.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = evaluate_run(EvaluateSettings(run_folder, test=test, boxes=boxes))
    assert found.anomaly is not None
    assert (found.anomaly.clean, found.anomaly.defective) == (8, 8)
    assert found.anomaly.auroc == 1
    assert found.anomaly.found == 1
    assert found.anomaly.kinds == {"spot": KindFigures(frames=8, auroc=1, found=1)}
    report = (run_folder / "evaluation" / "report.html").read_text()
    assert "<h2>Kinds of defects</h2>" in report
    assert found.calibration.applied == 1
    assert {point.unsure.value for point in found.thresholds.values()} == {0.5}
    assert found.localisation is not None
    assert found.localisation["anomaly"].shares["pointing"] >= 0.75  # of random features


def test_the_bundle_passes_its_self_test_and_the_worker_reports_defects_with_boxes(
    run_folder: Path, mixed_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model.onnx"
    manifest = export_run(ExportSettings(run_folder, out)).manifest
    assert manifest.trained_for == "anomaly"
    assert [part for part in manifest.lacks if not part.startswith("camera_limits")] == []  # it needs an evaluation
    assert manifest.thresholds_chosen == "5.00% false alarms on 32 clean training frames"
    assert manifest.task == "multiclass"
    assert manifest.heatmaps == "place"
    synthetic = [frame for frame in manifest.golden if frame.name.startswith("synthetic/")]
    assert {frame.label for frame in synthetic} == {"anomaly"}
    assert verify(out).golden_difference <= manifest.score_tolerance
    model = stripwatch.load_model(out, provider="cpu")
    clean = model.inspect((mixed_folder / "good" / "0.png").read_bytes())
    assert (clean.verdict, len(clean.defects)) == ("clean", 0)
    result = model.inspect((mixed_folder / "spot" / "0.png").read_bytes())
    assert (result.verdict, result.label) == ("defect", "anomaly")
    box = result.defects[0].box_px
    assert box is not None
    assert 45 < box.x + box.width / 2 < 95
    assert 10 < box.y + box.height / 2 < 60


def test_half_precision_passes_its_self_test_with_synthetic_defects(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "half.onnx"
    manifest = export_run(ExportSettings(run_folder, out, precision="fp16")).manifest
    assert any(frame.name.startswith("synthetic/") for frame in manifest.golden)
    assert verify(out).golden_difference <= manifest.score_tolerance


def test_other_classes_are_validation_frames_only(
    mixed_folder: Path, settings: Callable[[Path], FitSettings], tmp_path: Path, clean_folder: Path
) -> None:
    data = tmp_path / "data"
    for name, source in (("good", clean_folder), ("spot", mixed_folder / "spot")):
        (data / name).mkdir(parents=True)
        for path in source.iterdir():
            (data / name / path.name).write_bytes(path.read_bytes())
    run = fit(replace(settings(tmp_path / "run"), data=data))
    assert run.clean_label == "good"
    assert {frame.label for frame in run.split.train} == {"good"}
    assert sum(frame.label == "anomaly" for frame in run.split.validation) == 8
    assert run.anomaly is not None
    assert run.anomaly.found == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": "none"}, "needs pretrained weights"),
        ({"epochs": 3}, "--epochs has no meaning"),
        ({"head": "dense"}, "--head has no meaning"),
        ({"fine_tune": 2}, "--fine-tune has no meaning"),
        ({"novelty_false_alarms": None}, "--no-novelty has no meaning"),
        ({"clean_label": "anomaly"}, "'anomaly'"),
    ],
)
def test_rejects_options_without_a_meaning(
    changes: dict[str, Any], message: str, settings: Callable[[Path], FitSettings], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=message):
        fit(replace(settings(tmp_path / "run"), **changes))
    assert not (tmp_path / "run").exists()


def test_rejects_too_few_clean_images(settings: Callable[[Path], FitSettings], tmp_path: Path) -> None:
    data, rng = tmp_path / "data", np.random.default_rng(5)
    data.mkdir()
    for number in range(12):
        cv2.imwrite(str(data / f"frame{number}.png"), surface(rng))
    with pytest.raises(DataError, match=r"only .* different clean images are left for training"):
        fit(replace(settings(tmp_path / "run"), data=data))


@pytest.mark.parametrize(
    ("option", "changes"),
    [
        ("--recall", {"recall": 0.9}),
        ("--unknown", {"unknown": (Path("others"),)}),
        ("--no-leave-one-out", {"leave_one_out": False}),
        ("--cache", {"cache": Path("cache")}),
    ],
)
def test_evaluation_rejects_options_without_a_meaning(
    option: str, changes: dict[str, Any], run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "others/1.png")
    with pytest.raises(SettingsError, match=f"^{option} has no meaning for an anomaly model"):
        evaluate_run(EvaluateSettings(run_folder, **changes))


@pytest.mark.parametrize("words", [["crossval"], ["compare", "--networks", "mobilenet,vgg19"]])
@pytest.mark.parametrize("task", [["--task", "anomaly"], ["--task=anomaly"]])
def test_commands_that_compare_classes_say_what_to_do_instead(
    words: list[str],
    task: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert run_cli(monkeypatch, *words, "--data", str(tmp_path), "--out", str(tmp_path / "out"), *task) == 2
    error = capsys.readouterr().err
    assert "--task anomaly has no meaning here" in error
    assert "evaluate --test" in error


def test_the_command_reports_the_model_of_clean_frames(
    monkeypatch: pytest.MonkeyPatch, mixed_folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["fit", "--data", str(mixed_folder / "good"), "--network", "mobilenet", "--out", str(tmp_path / "run")]
    assert run_cli(monkeypatch, *words) != 0
    assert "--task anomaly" in capsys.readouterr().err


@pytest.mark.long
def test_simulated_strips_of_all_kinds_reach_the_target(shared: Path, tmp_path: Path) -> None:
    """Measured on three other seeds: see docs/explanation/benchmarks.md. The limits leave a margin for few frames."""
    strips = tmp_path / "strips"
    write_dataset(strips, 900, (200, 200), 61)
    truth = (strips / "truth.jsonl").read_text().splitlines()
    test, train = tmp_path / "test", tmp_path / "train"
    for folder in (test, train):
        folder.mkdir()
    clean = sorted(strips.glob("clean_*.jpg"))
    for path in clean[:120]:
        path.rename(train / path.name)
    kept = clean[120:] + [path for path in sorted(strips.glob("*.jpg")) if "clean" not in path.name][::25]
    for path in kept:
        path.rename(test / path.name)
    boxes = tmp_path / "truth.jsonl"
    boxes.write_text("".join(f"{line}\n" for line in truth if any(path.name in line for path in kept)))
    run = tmp_path / "run"
    fit(FitSettings(train, run, "efficientnetlite0", weights=str(shared / LITE0), task="anomaly"))
    found = evaluate_run(EvaluateSettings(run, test=test, boxes=boxes, stress_frames=0))
    assert found.anomaly is not None
    assert found.anomaly.auroc is not None
    assert found.anomaly.auroc >= 0.94
    assert found.localisation is not None
    assert found.localisation["anomaly"].shares["pointing"] >= 0.75
