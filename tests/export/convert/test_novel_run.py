"""A run with a novelty detector is exported with the novelty score at every precision."""

from pathlib import Path

import cv2
import msgspec
import numpy as np
import onnx
import pytest

from stripwatch.export.convert import candidates
from stripwatch.export.convert.accuracy_gate import GateRejectedError
from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.pack import pack
from stripwatch.export.convert.quantize import QuantizedModel, QuantizedModels
from stripwatch.export.convert.verify import verify
from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import exported_view, load_detector, load_model
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle import Precision
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_model import load_bundle
from stripwatch.worker.model.loading.open_session import open_session

pytestmark = pytest.mark.training


def test_the_graph_has_one_novelty_score_per_frame(exported_novel: Path) -> None:
    outputs = {
        value.name: [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in onnx.load(exported_novel).graph.output
    }
    assert outputs == {"scores": ["batch", 3], "heatmaps": ["batch", 4, 4, 3], "novelty": ["batch"]}


def test_the_worker_gives_the_novelty_scores_of_keras(exported_novel: Path, novel_run: Path) -> None:
    run, manifest = read_run(novel_run), read_bundle(exported_novel).manifest
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    view = exported_view(load_model(novel_run), "gap", load_detector(novel_run, run))
    scores, heatmaps, novelty = view.predict(pixels, verbose=0)
    output = open_session(read_bundle(exported_novel), "cpu", batch_frames_max=8).predict(pixels)
    assert output.heatmaps is not None
    assert output.novelty is not None
    assert manifest.novelty is not None
    np.testing.assert_allclose(output.novelty, novelty, atol=manifest.novelty.tolerance / 10)
    np.testing.assert_allclose(output.scores, scores, atol=5e-5)
    np.testing.assert_allclose(output.heatmaps, heatmaps, atol=1e-3 * np.abs(heatmaps).max())
    by_name = {frame.name: score for frame, score in zip(run.split.validation, novelty.tolist(), strict=True)}
    for golden in manifest.golden:
        assert golden.novelty is not None
        assert golden.novelty == pytest.approx(by_name[golden.name], abs=1e-4)
        assert golden.novelty < manifest.novelty.threshold


def test_the_manifest_states_the_threshold_of_the_run_and_what_was_measured(
    exported_novel: Path, novel_run: Path
) -> None:
    run, manifest = read_run(novel_run), read_bundle(exported_novel).manifest
    assert run.novelty is not None
    assert manifest.novelty is not None
    assert manifest.novelty.threshold == run.novelty.threshold
    assert manifest.novelty.frames == run.novelty.frames == 45
    assert manifest.novelty.measured_share == 0
    assert manifest.fidelity is not None
    assert manifest.fidelity.novelty is not None
    assert (manifest.fidelity.novelty.agreement, manifest.fidelity.novelty.keras_share) == (1, 0)
    assert not any(part.startswith("novelty") for part in manifest.lacks)


def test_the_novelty_score_does_not_change_scores_and_heatmaps(exported_novel: Path, exported_fp32: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 1), np.uint8)
    with_score, without = (
        open_session(read_bundle(path), "cpu", 1, 8).predict(frames) for path in (exported_novel, exported_fp32)
    )
    np.testing.assert_allclose(with_score.scores, without.scores, atol=1e-6)
    assert with_score.heatmaps is not None
    assert without.heatmaps is not None
    np.testing.assert_allclose(with_score.heatmaps, without.heatmaps, atol=1e-4)
    assert without.novelty is None


def test_a_frame_unlike_the_training_frames_is_novel(exported_novel: Path, textures: Path) -> None:
    model = load_bundle(exported_novel, "cpu")
    known = model.inspect((textures / "stripes_1.png").read_bytes())
    noise = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    unknown = model.inspect(bytes(cv2.imencode(".png", noise)[1].tobytes()))
    assert known.reason != "novel"
    assert (unknown.verdict, unknown.reason, unknown.defects) == ("unsure", "novel", ())


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_lower_precision_keeps_the_decisions_and_the_novelty_head_in_float32(
    novel_run: Path, tmp_path: Path, precision: Precision
) -> None:
    done = export_run(ExportSettings(novel_run, tmp_path / "model.onnx", precision=precision))
    manifest = verify(tmp_path / "model.onnx").bundle.manifest
    assert manifest.novelty is not None
    assert manifest.fidelity is not None
    assert manifest.fidelity.novelty is not None
    assert manifest.fidelity.novelty.agreement == 1
    assert 1e-5 < manifest.fidelity.novelty.difference < 0.5
    assert done.parity.novelty_difference is not None
    assert done.parity.novelty_difference < 1e-3
    graph = onnx.load(tmp_path / "model.onnx").graph
    tensors = {tensor.name: tensor.data_type for tensor in graph.initializer}
    head = [node for node in graph.node if node.op_type in ("MatMul", "Gemm", "Pow", "Sqrt")]
    assert {"MatMul", "Pow", "Sqrt"} <= {node.op_type for node in head}
    constants = [tensors[name] for node in head for name in node.input if name in tensors]
    assert set(constants) <= {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64}


def shifted(proto: onnx.ModelProto, by: float) -> onnx.ModelProto:
    """Add a constant to the novelty score."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    node = next(node for node in copy.graph.node if "novelty" in node.output)
    node.output[list(node.output).index("novelty")] = "novelty_before"
    copy.graph.initializer.append(onnx.numpy_helper.from_array(np.array(by, np.float32), "novelty_shift"))
    copy.graph.node.append(onnx.helper.make_node("Add", ["novelty_before", "novelty_shift"], ["novelty"]))
    return copy


def test_a_candidate_that_calls_more_frames_novel_is_refused_and_the_limits_are_named(
    novel_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moved(proto: onnx.ModelProto) -> QuantizedModels:
        yield QuantizedModel(shifted(proto, 1e6), "moved")

    monkeypatch.setattr(candidates, "in_float32", moved)
    with pytest.raises(GateRejectedError) as caught:
        export_run(ExportSettings(novel_run, tmp_path / "model.onnx"))
    assert caught.value.reason == (
        "moved: rise of novel validation frames in percentage points is 100, the limit is 0; agreement with Keras on "
        "novel frames is 0.0000, the minimum is 1"
    )
    assert list(tmp_path.iterdir()) == []


def test_golden_frames_detect_a_changed_novelty_score(exported_novel: Path, tmp_path: Path) -> None:
    bundle = read_bundle(exported_novel)
    assert bundle.manifest.novelty is not None
    forged = shifted(onnx.load_from_string(bundle.model), 1.5 * bundle.manifest.novelty.tolerance)
    (tmp_path / "forged.onnx").write_bytes(pack(forged, bundle.manifest))
    with pytest.raises(BundleError, match="failed its self-test: the novelty score of golden frame"):
        verify(tmp_path / "forged.onnx")


def test_a_run_without_a_detector_is_exported_without_a_novelty_score(exported_fp32: Path) -> None:
    manifest = read_bundle(exported_fp32).manifest
    assert manifest.novelty is None
    assert all(golden.novelty is None for golden in manifest.golden)
    assert manifest.fidelity is not None
    assert manifest.fidelity.novelty is None
    assert msgspec.to_builtins(manifest)["novelty"] is None
