"""Heatmaps are compared with annotations, and a dense head learns locations, from frames to the run folder."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.results.run_evaluation import Localization, read_evaluation, total
from stripwatch.export.runs.keras_model import exported_view, load_model
from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.datasets.formats.marks import LabelledBox
from stripwatch.training.evaluation.evaluate import EvaluateSettings, evaluate_run
from stripwatch.training.evaluation.localization import LocatedFrame, localize
from stripwatch.training.fitting.fit import fit
from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder
from stripwatch.worker.model.bundle import CellGrid
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.model.loading.open_model import load_bundle
from tests.trained import tiny_fit

pytestmark = pytest.mark.training

READER = HeatmapDecoder("place", CellGrid((7.5, 7.5), (16.0, 16.0)), 0.5, 64, 64)
MARKS = Annotations(128, 128, (LabelledBox("pits", 64, 0, 128, 64), LabelledBox("rust", 0, 0, 128, 128)))
FRAME_PX, PATCH_PX = 96, 40


def located(row: int, column: int, label: str = "pits", marks: Annotations = MARKS) -> LocatedFrame:
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[row : row + 2, column : column + 2] = 1
    return LocatedFrame(label, heatmap, marks)


def test_counts_a_peak_inside_and_a_box_with_half_overlap_as_correct() -> None:
    right = Localization(1, 1, 1, centre=0, whole=0, first=1, predicted=1, matched=1, annotated=1)
    assert localize([located(0, 2)], READER) == {"pits": right}
    wrong = Localization(1, 0, 0, centre=0, whole=0, first=0, predicted=1, matched=0, annotated=1)
    assert localize([located(2, 0)], READER) == {"pits": wrong}


def test_predicted_boxes_count_instead_of_the_regions_of_the_heatmap() -> None:
    decoder = replace(READER, cell_boxes=CellBoxDecoder(0.3, 64, 64))
    values = np.zeros((4, 4, 5), np.float32)
    values[0, 2] = (32, 0, 64, 32, 0.9)  # the annotated box
    values[0, 3] = (0, 32, 16, 64, 0.8)
    values[1, 2] = (34, 0, 64, 30, 0.7)
    (found,) = localize([replace(located(0, 2), cell_boxes=values)], decoder).values()
    assert (found.boxes, found.first, found.predicted, found.matched) == (1, 1, 2, 1)
    assert (found.shares["precision"], found.shares["recall"]) == (0.5, 1.0)
    assert found.box_f1 == pytest.approx(2 / 3)
    values[0, 2, 4] = 0.75  # another box is the best one now
    values[1, 2, 4] = 0
    (found,) = localize([replace(located(0, 2), cell_boxes=values)], decoder).values()
    assert (found.boxes, found.first) == (1, 0)


def test_an_annotated_box_counts_once() -> None:
    marks = Annotations(128, 128, tuple(LabelledBox("pits", 64, 0, 128, bottom) for bottom in (60, 64)))
    (found,) = localize([located(0, 2, marks=marks)], READER).values()
    assert (found.predicted, found.matched, found.annotated) == (1, 1, 2)
    values = np.zeros((4, 4, 5), np.float32)
    values[0, 2], values[2, 0] = (32, 0, 64, 32, 0.9), (44, 0, 64, 28, 0.8)  # overlap 0.55 with the annotated box
    heatmap = np.ones((4, 4), np.float32)
    twice = LocatedFrame("pits", heatmap, MARKS, values)
    decoder = replace(READER, cell_boxes=CellBoxDecoder(0.3, 64, 64))
    assert localize([twice], decoder)["pits"].matched == 1


def test_compares_a_heatmap_with_annotations_of_the_same_label() -> None:
    assert localize([located(2, 0, "rust")], READER) == {
        "rust": Localization(1, 1, 0, centre=1, whole=1, first=0, predicted=1, matched=0, annotated=1)
    }


def test_counts_add_up_over_labels() -> None:
    counts = localize([located(0, 2), located(2, 0), located(2, 0, "rust")], READER)
    assert set(counts) == {"pits", "rust"}
    assert total(counts) == Localization(3, 2, 1, centre=1, whole=1, first=1, predicted=3, matched=1, annotated=3)
    third = dict.fromkeys(["boxes", "centre", "whole", "first", "precision", "recall"], 1 / 3)
    assert total(counts).shares == {"pointing": 2 / 3} | third
    earlier = Localization(3, 2, 1, centre=1, whole=1)  # of a version without the other counts
    assert list(earlier.shares) == ["pointing", "boxes", "centre", "whole"]


@pytest.fixture(scope="session")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write images of noise with one patch of stripes, along or across, at a random position, and their boxes."""
    folder = tmp_path_factory.mktemp("patches")
    rng = np.random.default_rng(11)
    lines = []
    for number in range(60):
        label = ("along", "across", "clean")[number % 3]
        surface = rng.normal(120, 12, (FRAME_PX, FRAME_PX))
        x, y = (int(value) for value in rng.integers(0, FRAME_PX - PATCH_PX, 2))
        stripes = 70 * np.sin(np.indices((PATCH_PX, PATCH_PX))[int(label == "across")] * 0.8)
        if label != "clean":
            surface[y : y + PATCH_PX, x : x + PATCH_PX] += stripes
        name = f"{label}_{number}.png"
        cv2.imwrite(str(folder / name), surface.clip(0, 255).astype(np.uint8))
        boxes = [] if label == "clean" else [{"x": x, "y": y, "width": PATCH_PX, "height": PATCH_PX}]
        size = {"width_px": FRAME_PX, "height_px": FRAME_PX}
        lines.append(json.dumps({"file": name, "label": label, "boxes": boxes} | size))
    (folder / "truth.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def dense_run(patches: Path, tmp_path_factory: pytest.TempPathFactory, random_weights: Path) -> Path:
    out = tmp_path_factory.mktemp("dense") / "run"
    settings = tiny_fit(patches, out, weights=str(random_weights), cut="conv_pw_5_relu", head="dense")
    settings = replace(settings, boxes=patches / "truth.jsonl", height_px=96, width_px=96, clean_label="clean")
    fit(replace(settings, epochs=40, learning_rate=0.01, dropout=0.0, val_share=0.3))
    return out


def test_a_dense_head_learns_labels_and_locations(dense_run: Path) -> None:
    run = read_run(dense_run)
    assert run.validation.accuracy >= 0.8
    assert run.heatmaps is not None
    assert (run.heatmaps.kind, run.heatmaps.grid) == ("place", CellGrid((7.0, 7.0), (8.0, 8.0)))
    assert run.marks is not None
    assert run.marks.images == 60
    found = evaluate_run(EvaluateSettings(dense_run, stress_frames=0))
    assert found.localisation is not None
    assert set(found.localisation) == {"across", "along"}
    counts = total(found.localisation)
    assert counts.pairs == 12
    assert counts.pointing >= 10
    assert counts.boxes >= 6
    assert run.boxes is not None
    assert run.boxes.boxes == 28  # of the training frames
    assert counts.first >= 6
    assert counts.annotated == 12
    assert counts.pointing > counts.centre
    assert read_evaluation(dense_run, run) == found
    assert "peak inside" in (dense_run / "evaluation" / "report.html").read_text()


def test_the_bundle_of_a_dense_run_predicts_the_boxes_of_keras(dense_run: Path, patches: Path, tmp_path: Path) -> None:
    run = read_run(dense_run)
    exported = export_run(ExportSettings(dense_run, tmp_path / "dense.onnx"))
    spec, fidelity = exported.manifest.boxes, exported.manifest.fidelity
    assert run.boxes is not None
    assert spec is not None
    assert (spec.threshold, len(spec.golden)) == (run.boxes.threshold, len(exported.manifest.golden))
    assert exported.parity.box_difference is not None
    assert exported.parity.box_difference < 1e-3
    assert fidelity is not None
    assert fidelity.boxes is not None
    assert fidelity.boxes.agreement == 1.0
    model = load_bundle(tmp_path / "dense.onnx", "cpu")
    names = [frame.name for frame in run.split.validation if frame.label != "clean"]
    inspected = [model.inspect((patches / name).read_bytes()) for name in names]
    lines = map(json.loads, (patches / "truth.jsonl").read_text().splitlines())
    truth = {line["file"]: line["boxes"][0] for line in lines if line["boxes"]}
    near = [
        abs(box.x - truth[name]["x"]) + abs(box.y - truth[name]["y"]) < PATCH_PX
        for name, each in zip(names, inspected, strict=True)
        for box in [defect.box_px for defect in (*each.defects, *each.candidates)][:1]
        if box is not None
    ]
    assert sum(near) >= 8


@pytest.mark.long
def test_cells_of_the_saved_model_are_label_scores(dense_run: Path, patches: Path) -> None:
    run, model = read_run(dense_run), load_model(dense_run)
    frame = decode((patches / "clean_2.png").read_bytes(), run.decode).pixels[None]
    scores, heatmaps = exported_view(model, "dense").predict_on_batch(frame)
    np.testing.assert_allclose(scores, model.predict_on_batch(frame), atol=1e-5)
    # "clean" is one of the labels, so the scores of a cell add up to 1.
    np.testing.assert_allclose(heatmaps.sum(-1), 1, atol=1e-5)
    assert heatmaps[..., run.labels.index("clean")].mean() > 0.8


def test_an_evaluation_needs_the_annotations_of_the_fit_or_others(
    dense_run: Path, patches: Path, tmp_path: Path
) -> None:
    run = read_run(dense_run)
    assert run.marks is not None
    lost = msgspec.structs.replace(run.marks, path=str(tmp_path / "gone"))
    (dense_run / "run.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(run, marks=lost)))
    try:
        with pytest.raises(InputError, match=r"gone of the run do not exist; .* with --boxes"):
            evaluate_run(EvaluateSettings(dense_run, out=tmp_path, stress_frames=0))
        found = evaluate_run(EvaluateSettings(dense_run, out=tmp_path, boxes=patches / "truth.jsonl", stress_frames=0))
        assert found.localisation is not None
    finally:
        (dense_run / "run.json").write_bytes(msgspec.json.encode(run))


def test_test_images_with_boxes_may_have_one_kind_of_defect_and_no_clean_frame(
    dense_run: Path, patches: Path, tmp_path: Path
) -> None:
    found = copy_of_label(patches, "along", tmp_path / "test")
    evaluated = evaluate_run(EvaluateSettings(dense_run, test=found, out=tmp_path / "report", stress_frames=0))
    assert (evaluated.measured_on, evaluated.frames) == ("test", 20)
    assert evaluated.localisation is not None
    assert total(evaluated.localisation).pairs == 20


def copy_of_label(patches: Path, label: str, folder: Path) -> Path:
    """Copy the images of one label with their boxes."""
    folder.mkdir()
    lines = [line for line in (patches / "truth.jsonl").read_text().splitlines() if json.loads(line)["label"] == label]
    for line in lines:
        shutil.copy(patches / json.loads(line)["file"], folder)
    (folder / "truth.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.long
def test_a_gap_head_is_measured_with_the_same_annotations(patches: Path, random_weights: Path, tmp_path: Path) -> None:
    settings = tiny_fit(patches, tmp_path / "run", weights=str(random_weights), cut="conv_pw_5_relu")
    run = fit(replace(settings, boxes=patches / "truth.jsonl", epochs=10))
    assert run.heatmaps is not None
    assert run.heatmaps.kind == "activation"
    found = evaluate_run(EvaluateSettings(tmp_path / "run", stress_frames=0))
    assert found.localisation is not None
    assert total(found.localisation).pairs == 8


@pytest.mark.long
def test_a_dense_head_learns_with_all_layers_and_augmented_frames(patches: Path, tmp_path: Path) -> None:
    settings = tiny_fit(patches, tmp_path / "run", weights="none", head="dense", boxes=patches / "truth.jsonl")
    fit(replace(settings, augment=True, epochs=2, cut="conv_pw_5_relu"))
    model = load_model(tmp_path / "run")
    assert model.get_layer("places").output.shape == (None, 8, 8, 4)  # three labels and "no defect here"


def test_rejects_a_dense_head_without_annotations(patches: Path, tmp_path: Path) -> None:
    settings = tiny_fit(patches, tmp_path / "run", weights="none", head="dense")
    with pytest.raises(SettingsError, match="--boxes is missing"):
        fit(settings)
    assert not (tmp_path / "run").exists()
