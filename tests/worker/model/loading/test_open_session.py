"""A session runs the self-test of its bundle before it is used, and reports its real provider."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from msgspec.structs import replace
from onnx import numpy_helper

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.session import Session
from tests.jpeg_files import DAMAGES, encode, texture
from tests.tiny import (
    LABELS,
    NOVELTY,
    build_model,
    encode_frame,
    expected_scores,
    mapped_contract,
    tiny_contract,
    watchful_contract,
    write_bundle,
)


def opened(tmp_path: Path, manifest: Manifest | None = None, model: onnx.ModelProto | None = None) -> Session:
    return open_session(read_bundle(write_bundle(tmp_path / "b.onnx", manifest, model)), "cpu", 1, 4)


def test_names_an_unsupported_opset(tmp_path: Path) -> None:
    model = build_model()
    model.opset_import[0].version = 99
    with pytest.raises(
        BundleError, match=r"b\.onnx: it requires ONNX opset 99, which ONNX Runtime .* does not support"
    ):
        opened(tmp_path, tiny_contract(opset=99), model)


def test_rejects_a_bundle_without_the_declared_heatmaps(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"must have an output 'heatmaps' of shape \[batch, h, w, 3\]"):
        opened(tmp_path, mapped_contract(), build_model())


def broken_model(output: str, value: float) -> onnx.ModelProto:
    """Return the tiny model with a value added to one of its outputs."""
    model = build_model(heatmaps=True)
    node = next(node for node in model.graph.node if node.output[0] == output)
    node.output[0] = "sound"
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "wrong"))
    model.graph.node.append(onnx.helper.make_node("Add", ["sound", "wrong"], [output]))
    return model


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_rejects_a_bundle_with_non_finite_heatmaps(tmp_path: Path, value: float) -> None:
    model = broken_model("heatmaps", value)
    with pytest.raises(BundleError, match=r"the heatmap of golden frame 'dark\.png' is not finite"):
        opened(tmp_path, mapped_contract(), model)
    assert opened(tmp_path, mapped_contract(grid=None), model)  # the heatmaps are not requested


@pytest.mark.parametrize(("name", "output"), [("frames", False), ("scores", True), ("heatmaps", True)])
def test_reports_a_name_that_is_not_utf_8_as_a_bundle_error(tmp_path: Path, name: str, output: bool) -> None:
    path = write_bundle(tmp_path / "b.onnx", mapped_contract())
    bundle = read_bundle(path)
    wrong = bundle.model.replace(name.encode(), b"\xff" * len(name))
    with pytest.raises(BundleError, match=r"b\.onnx"):
        open_session(dataclasses.replace(bundle, model=wrong), "cpu", 1, 1)


def test_reports_scores_of_another_shape_as_a_bundle_error(tmp_path: Path) -> None:
    model = build_model()
    node = next(node for node in model.graph.node if node.op_type == "Softmax")
    node.output[0] = "flat"
    model.graph.initializer.append(numpy_helper.from_array(np.array([-1, 1], np.int64), "one_column"))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["flat", "one_column"], ["scores"]))
    with pytest.raises(BundleError, match=r"b\.onnx"):
        opened(tmp_path, model=model)


def test_warms_up_and_measures_every_batch_size(tmp_path: Path) -> None:
    session = opened(tmp_path)
    assert [batch.frames for batch in session.batches] == [1, 2, 4]
    assert all(batch.frames_per_second > 0 for batch in session.batches)
    assert session.golden_difference < 1e-5


def scaled_weights() -> onnx.ModelProto:
    model = build_model()
    weights = next(tensor for tensor in model.graph.initializer if tensor.name == "weights")
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights) * np.float32(1.05), "weights"))
    return model


def other_preprocessing() -> onnx.ModelProto:
    model = build_model()
    scale = next(tensor for tensor in model.graph.initializer if tensor.name == "scale")
    scale.CopyFrom(numpy_helper.from_array(np.array(1 / 127.5, np.float32), "scale"))
    return model


@pytest.mark.parametrize("model", [scaled_weights(), other_preprocessing()])
def test_golden_frames_catch_a_changed_computation(tmp_path: Path, model: onnx.ModelProto) -> None:
    with pytest.raises(BundleError, match="failed its self-test"):
        opened(tmp_path, model=model)


def test_golden_frames_catch_swapped_labels(tmp_path: Path) -> None:
    swapped = replace(tiny_contract(), labels=[LABELS[1], LABELS[0], LABELS[2]])
    with pytest.raises(BundleError, match=r"'dark\.png' is labelled 'grey', expected 'dark'"):
        opened(tmp_path, swapped)


def test_golden_frames_catch_another_decode(tmp_path: Path) -> None:
    encoded = encode_frame(0.5, (64, 20), seed=1)
    left_dark = decode(encoded, DecodeSpec(64, 20)).pixels.copy()
    left_dark[:40] = 10
    golden = cv2.imencode(".png", left_dark)[1].tobytes()
    area, linear = DecodeSpec(16, 24, interpolation="area"), DecodeSpec(3, 5, interpolation="linear")
    manifest = tiny_contract()
    frame = replace(manifest.golden[0], encoded=golden, scores=expected_scores(golden, area).tolist())
    changed = replace(manifest, decode=linear, golden=[frame])
    with pytest.raises(BundleError, match=r"failed its self-test"):
        opened(tmp_path, changed, build_model(linear))


@pytest.mark.parametrize("encoded", [b"nothing", DAMAGES["a hole"](encode(texture()), b"")])
def test_rejects_a_bundle_with_an_undecodable_golden_frame(tmp_path: Path, encoded: bytes) -> None:
    manifest = tiny_contract()
    broken = replace(manifest, golden=[replace(manifest.golden[0], encoded=encoded)])
    with pytest.raises(BundleError, match="golden frame cannot be decoded"):
        opened(tmp_path, broken)


def test_rejects_scores_that_are_not_numbers(tmp_path: Path) -> None:
    model = build_model()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    bias.CopyFrom(numpy_helper.from_array(np.full(len(LABELS), np.nan, np.float32), "bias"))
    with pytest.raises(BundleError, match="differs by nan"):
        opened(tmp_path, model=model)


def test_rejects_an_input_that_does_not_match_the_decode_spec(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="but its decode spec has"):
        opened(tmp_path, model=build_model(DecodeSpec(8, 8)))


def test_rejects_a_bundle_with_a_fixed_batch_size(tmp_path: Path) -> None:
    model = build_model()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    with pytest.raises(BundleError, match="cannot run on this machine"):
        opened(tmp_path, model=model)


def test_rejects_a_bundle_without_the_declared_novelty_score(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"must have an output 'novelty', float32 of shape \[batch\]"):
        opened(tmp_path, watchful_contract(), build_model())


def test_rejects_novelty_scores_of_another_shape(tmp_path: Path) -> None:
    model = build_model(novelty=True)
    shape = model.graph.output[1].type.tensor_type.shape
    shape.dim.add().dim_value = 1
    with pytest.raises(BundleError, match="must have an output 'novelty'"):
        opened(tmp_path, watchful_contract(), model)


def test_golden_frames_catch_a_changed_novelty_score(tmp_path: Path) -> None:
    model = build_model(novelty=True)
    next(node for node in model.graph.node if node.output[0] == "novelty").op_type = "Add"
    with pytest.raises(
        BundleError, match=r"novelty score of golden frame 'dark\.png' differs by .*, allowed is 0\.0001"
    ):
        opened(tmp_path, watchful_contract(), model)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_golden_frames_catch_a_novelty_score_that_is_not_finite(tmp_path: Path, value: float) -> None:
    model = build_model(novelty=True)
    node = next(node for node in model.graph.node if node.output[0] == "novelty")
    node.output[0] = "sound"
    model.graph.node.append(onnx.helper.make_node("Add", ["sound", "broken"], ["novelty"]))
    model.graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), "broken"))
    with pytest.raises(BundleError, match="novelty score of golden frame"):
        opened(tmp_path, watchful_contract(), model)


def test_golden_frames_must_be_on_the_same_side_of_the_novelty_threshold(tmp_path: Path) -> None:
    manifest = watchful_contract()
    stated = manifest.golden[0].novelty
    assert stated is not None
    golden = [replace(manifest.golden[0], novelty=stated + 0.02), *manifest.golden[1:]]
    novelty = replace(NOVELTY, threshold=stated + 0.01, tolerance=0.1)
    with pytest.raises(
        BundleError, match=r"golden frame 'dark\.png' has the novelty score .* other side of the thresh"
    ):
        opened(tmp_path, replace(manifest, golden=golden, novelty=novelty))
