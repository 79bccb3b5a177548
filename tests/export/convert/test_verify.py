"""The checksum of a bundle detects changed bytes; golden frames detect changes with a recomputed checksum."""

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest

from stripwatch.export.convert.verify import verify
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.bundle import Manifest
from tests.export.convert.forgeries import Change, constant_into, reseal, two_labels_swapped

pytestmark = pytest.mark.training


def scale(proto: onnx.ModelProto, name: str, factor: float) -> None:
    tensor = next(each for each in proto.graph.initializer if each.name == name)
    scaled = (onnx.numpy_helper.to_array(tensor) * np.float32(factor)).astype(np.float32)
    tensor.CopyFrom(onnx.numpy_helper.from_array(scaled, name))


def nothing(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    return manifest


def a_layer_scaled(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    scale(proto, constant_into(proto, "Conv"), 1.05)
    return manifest


def another_preprocessing_constant(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    scale(proto, constant_into(proto, "Mul"), 127.5 / 128)
    return manifest


def another_decode(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    return msgspec.structs.replace(manifest, decode=msgspec.structs.replace(manifest.decode, interpolation="linear"))


def test_an_exported_bundle_passes_verification(exported: Path) -> None:
    verified = verify(exported)
    assert verified.golden_difference <= 5e-5
    assert verified.frames_per_second > 0


def test_a_bundle_with_a_recomputed_checksum_still_passes(exported: Path, tmp_path: Path) -> None:
    verify(reseal(exported, tmp_path / "same.onnx", nothing))


def test_the_checksum_detects_one_changed_byte_of_a_weight(exported: Path, tmp_path: Path) -> None:
    model = bytearray(exported.read_bytes())
    kernel = max((each.raw_data for each in onnx.load(exported).graph.initializer), key=len)
    model[model.index(kernel) + len(kernel) // 2] ^= 1
    (tmp_path / "changed.onnx").write_bytes(model)
    with pytest.raises(BundleError, match="its content was changed"):
        verify(tmp_path / "changed.onnx")


@pytest.mark.parametrize("change", [two_labels_swapped, a_layer_scaled, another_preprocessing_constant, another_decode])
def test_golden_frames_detect_a_change_with_a_recomputed_checksum(
    exported: Path, tmp_path: Path, change: Change
) -> None:
    with pytest.raises(BundleError, match=r"failed its self-test"):
        verify(reseal(exported, tmp_path / "forged.onnx", change))


def test_rejects_heatmaps_of_another_model(exported: Path, tmp_path: Path) -> None:
    def change(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
        heatmaps = [node for node in proto.graph.node if node.op_type == "Conv"][-1]
        scale(proto, heatmaps.input[1], 1.5)
        return manifest

    with pytest.raises(BundleError, match="the heatmaps do not match the scores"):
        verify(reseal(exported, tmp_path / "forged.onnx", change))


def test_rejects_a_truncated_file(exported: Path, tmp_path: Path) -> None:
    model = exported.read_bytes()
    (tmp_path / "half.onnx").write_bytes(model[: len(model) // 2])
    with pytest.raises(BundleError, match=r"half\.onnx is not a valid bundle"):
        verify(tmp_path / "half.onnx")


def test_rejects_an_invalid_onnx_graph(exported: Path, tmp_path: Path) -> None:
    def change(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
        proto.graph.node[0].input[0] = "nowhere"
        return manifest

    with pytest.raises(BundleError, match=r"broken\.onnx is not a valid ONNX model"):
        verify(reseal(exported, tmp_path / "broken.onnx", change))
