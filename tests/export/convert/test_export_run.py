import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from stripwatch.export.convert.drift_reference import trained_frames
from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.graph.keras_to_onnx import OPSET, to_onnx
from stripwatch.export.runs.frames import read_frame, read_pixels
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import ExportRejectedError, InputError
from stripwatch.worker.images.image_statistics import measure
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.model.verdict import decision_policy

pytestmark = pytest.mark.training


def test_the_model_has_the_names_and_sizes_that_the_worker_expects(exported: Path) -> None:
    graph = onnx.load(exported).graph
    shapes = {
        value.name: [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    outputs = {"scores": ["batch", 3], "heatmaps": ["batch", 2, 2, 3], "novelty": ["batch"]}
    assert shapes == {"frames": ["batch", 64, 64, 1]} | outputs  # the textures are grey
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8


def test_the_manifest_repeats_the_facts_of_the_run(exported: Path, fitted_run: Path, textures: Path) -> None:
    manifest, run = read_bundle(exported).manifest, read_run(fitted_run)
    assert (manifest.name, manifest.version) == ("textures", "7")
    assert manifest.labels == run.labels
    assert manifest.clean_label == "plain"
    assert manifest.decode == run.decode
    assert manifest.validation == run.validation
    assert manifest.trained == run.trained == TrainedFrames.of([(96, 96)] * 45)
    assert manifest.opset == OPSET
    assert manifest.thresholds == {label: Threshold() for label in run.labels}
    assert manifest.provenance.run_id == run.run_id
    assert manifest.provenance.data == textures.name  # the path of the data folder is not disclosed
    assert manifest.provenance.network == "mobilenet 0.25"
    assert {"keras", "tf2onnx", "onnxruntime", "numpy"} <= set(manifest.provenance.versions)


def test_reads_sizes_from_the_files_of_a_run_without_recorded_sizes(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    older = msgspec.structs.replace(run, trained=None)
    assert trained_frames(older, Path(run.data)) == run.trained


def test_the_drift_reference_matches_the_worker_statistics_and_events(exported: Path, fitted_run: Path) -> None:
    bundle, run = read_bundle(exported), read_run(fitted_run)
    found = bundle.manifest.reference
    assert found is not None
    assert (found.frames, found.answers) == (len(run.split.train), len(run.split.validation))
    measured = [measure(frame) for frame in read_pixels(Path(run.data), run.split.train, run.decode)]
    for name in ("brightness", "contrast", "sharpness"):
        values = [getattr(each, name) for each in measured]
        assert (getattr(found, name).mean, getattr(found, name).deviation) == pytest.approx(
            (np.mean(values), np.std(values))
        )
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    scores = open_session(bundle, "cpu", batch_frames_max=16).predict(pixels).scores
    decisions = [decision_policy(bundle.manifest, {}).decide(row) for row in scores.tolist()]
    for label, class_scores in found.classes.items():
        of_label = [each for each in decisions if each.label == label]
        assert class_scores.share == len(of_label) / len(decisions)
        assert class_scores.confidence == pytest.approx(np.mean([each.score for each in of_label]), abs=1e-4)
        assert class_scores.unsure == sum(each.verdict == "unsure" for each in of_label) / len(of_label)


def test_golden_frames_are_validation_files_with_keras_scores(exported: Path, fitted_run: Path) -> None:
    manifest, run = read_bundle(exported).manifest, read_run(fitted_run)
    validation = {frame.name: frame for frame in run.split.validation}
    model = load_model(fitted_run)
    assert {golden.label for golden in manifest.golden} == set(run.labels)
    assert len(manifest.golden) == 6
    for golden in manifest.golden:
        frame = validation[golden.name]
        assert golden.encoded == read_frame(Path(run.data), frame)
        assert golden.label == frame.label
        scores = model.predict(read_pixels(Path(run.data), [frame], run.decode), verbose=0)[0]
        np.testing.assert_allclose(golden.scores, scores, atol=1e-5)


def test_worker_and_keras_predict_the_same_label_for_every_validation_frame(exported: Path, fitted_run: Path) -> None:
    run = read_run(fitted_run)
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    session = open_session(read_bundle(exported), "cpu", batch_frames_max=2)
    keras = load_model(fitted_run).predict(pixels, verbose=0)
    for batch in (1, 3, 15):
        scores = np.concatenate([session.predict(pixels[at : at + batch]).scores for at in range(0, 15, batch)])
        np.testing.assert_array_equal(scores.argmax(axis=1), keras.argmax(axis=1))
        np.testing.assert_allclose(scores, keras, atol=5e-5)


def test_never_overwrites_a_bundle(exported: Path, fitted_run: Path) -> None:
    before = exported.read_bytes()
    with pytest.raises(InputError, match="never overwritten"):
        export_run(ExportSettings(fitted_run, exported))
    assert exported.read_bytes() == before


def test_rejects_a_model_that_deviates_from_keras_and_writes_nothing(
    learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(model: object, outputs: list[str]) -> onnx.ModelProto:
        proto = to_onnx(model, outputs)
        kernel = next(each for each in proto.graph.initializer if each.name == scores_kernel(proto))
        kernel.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(kernel) * 1.01, kernel.name))
        return proto

    monkeypatch.setattr("stripwatch.export.convert.converted_run.to_onnx", another)
    with pytest.raises(
        ExportRejectedError, match=r"scores differ by .* at batch size 1, the limit is 5e-05; nothing was written"
    ):
        export_run(ExportSettings(learned_run, tmp_path / "model.onnx"))
    assert list(tmp_path.iterdir()) == []


def scores_kernel(proto: onnx.ModelProto) -> str:
    """Return the constant of the last matrix product in the graph."""
    product = [node for node in proto.graph.node if node.op_type == "MatMul"][-1]
    return str(product.input[1])


def test_rejects_ten_thousand_labels_before_any_work(
    fitted_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = msgspec.structs.replace(read_run(fitted_run), labels=[str(number) for number in range(10_000)])
    monkeypatch.setattr("stripwatch.export.convert.converted_run.read_run", lambda folder: run)
    with pytest.raises(ExportRejectedError, match="has 10000 labels; a bundle supports at most 1000"):
        export_run(ExportSettings(fitted_run, tmp_path / "model.onnx"))


def test_rejects_a_changed_validation_file(fitted_run: Path, textures: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(textures, moved)
    settings = ExportSettings(fitted_run, tmp_path / "model.onnx", data=moved)
    victim = moved / read_run(fitted_run).split.validation[0].name
    victim.write_bytes(victim.read_bytes() + b"\0")
    with pytest.raises(InputError, match=f"were changed after the run .*: {victim.name}; restore"):
        export_run(settings)
    victim.unlink()
    with pytest.raises(InputError, match=f"moved lacks 1 of 60 images of the run: {victim.name}; .* --data"):
        export_run(settings)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": Path("nowhere")}, "run folder nowhere does not exist"),
        ({"out": Path("nowhere/model.onnx")}, "the folder nowhere does not exist"),
    ],
)
def test_names_a_missing_folder(fitted_run: Path, tmp_path: Path, changes: dict[str, Path], message: str) -> None:
    settings = ExportSettings(fitted_run, tmp_path / "model.onnx")
    with pytest.raises(InputError, match=message):
        export_run(replace(settings, **changes))  # type: ignore[arg-type]


def test_the_drift_reference_states_the_colour_of_the_training_images(exported: Path, fitted_run: Path) -> None:
    colour, reference = read_run(fitted_run).colour, read_bundle(exported).manifest.reference
    assert colour is not None
    assert reference is not None
    assert (reference.colour, reference.is_grey) == (colour.largest, True)
    assert read_bundle(exported).manifest.decode.colour == "grey", "fit chose it by itself"
