"""fp16 and int8 exports are smaller and pass verification, or are rejected with the violated limit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from stripwatch.export.convert import candidates, quantize
from stripwatch.export.convert.accuracy_gate import LIMITS
from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.graph.keras_to_onnx import OPSET
from stripwatch.export.convert.ort_cpu import open_cpu
from stripwatch.export.convert.quantize import QuantizedModel
from stripwatch.export.convert.verify import verify
from stripwatch.worker.common.errors import BundleError, ExportRejectedError
from stripwatch.worker.model.bundle import TOLERANCE_MAX, Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.export.convert.forgeries import NOTHING_PASSES, constant_into, reseal, two_labels_swapped

pytestmark = pytest.mark.training


def tensor_types(path: Path) -> dict[int, int]:
    """Return the size of the weights in bytes, by ONNX data type."""
    sizes: dict[int, int] = {}
    for tensor in onnx.load(path).graph.initializer:
        sizes[tensor.data_type] = sizes.get(tensor.data_type, 0) + onnx.numpy_helper.to_array(tensor).nbytes
    return sizes


def outside(path: Path) -> tuple[list[int], list[int]]:
    graph = onnx.load(path).graph
    kinds = [[value.type.tensor_type.elem_type for value in values] for values in (graph.input, graph.output)]
    return kinds[0], kinds[1]


def test_fp16_halves_the_size_and_keeps_the_interface(exported_fp32: Path, exported_fp16: Path) -> None:
    assert exported_fp16.stat().st_size < 0.75 * exported_fp32.stat().st_size  # golden frames keep their size
    weights = tensor_types(exported_fp16)
    assert weights[onnx.TensorProto.FLOAT16] > 10 * weights[onnx.TensorProto.FLOAT]
    assert outside(exported_fp16) == outside(exported_fp32)
    verified, manifest = verify(exported_fp16), read_bundle(exported_fp16).manifest
    assert manifest.precision == "fp16"
    assert verified.golden_difference <= manifest.score_tolerance <= 0.01
    assert manifest.fidelity is not None
    assert manifest.fidelity.scheme == "float16; preprocessing and head in float32"
    assert 0 < manifest.fidelity.score_difference < 0.2


def test_int8_quarters_the_size_and_keeps_the_interface(exported_fp32: Path, exported_int8: Path) -> None:
    weights = tensor_types(exported_int8)
    assert 4 * weights[onnx.TensorProto.INT8] > 0.9 * tensor_types(exported_fp32)[onnx.TensorProto.FLOAT], weights
    assert outside(exported_int8) == outside(exported_fp32)
    verified, manifest = verify(exported_int8), read_bundle(exported_int8).manifest
    assert manifest.precision == "int8"
    assert verified.golden_difference <= manifest.score_tolerance <= TOLERANCE_MAX
    assert manifest.fidelity is not None
    assert "int8, " in manifest.fidelity.scheme


@pytest.mark.long
def test_int8_sums_do_not_overflow_on_processors_without_vnni(exported_int8: Path) -> None:
    """Such a processor adds two products of an unsigned activation and a weight in 16 bits, with saturation."""
    initializers = onnx.load(exported_int8).graph.initializer
    weights = [onnx.numpy_helper.to_array(each) for each in initializers if each.data_type == onnx.TensorProto.INT8]
    largest = max(int(np.abs(each.astype(int)).max()) for each in weights)
    assert largest > 32
    assert 2 * 255 * largest < 2**15


def test_half_precision_keeps_values_beyond_its_range_outside_the_backbone() -> None:
    """The square of 1000 exceeds float16, which the converter uses between two nodes in float32, too."""
    made = [
        ("Add", ["frames", "one"], "view/backbone/Add"),
        ("Mul", ["view/backbone/Add", "view/backbone/Add"], "view/Square"),
        ("Sqrt", ["view/Square"], "view/Sqrt"),
        ("Identity", ["view/Sqrt"], "scores"),
    ]
    nodes = [onnx.helper.make_node(kind, given, [name], f"view/{name}") for kind, given, name in made]
    one = onnx.numpy_helper.from_array(np.ones(1, np.float32), "one")
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("frames", "scores")]
    graph = onnx.helper.make_graph(nodes, "g", values[:1], values[1:], [one])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=9)
    (candidate,) = quantize.in_half(model, "backbone")
    half = open_cpu(candidate.proto.SerializeToString()).run(["scores"], {"frames": np.array([999], np.float32)})
    assert half[0].tolist() == [1000]
    assert [node.op_type for node in candidate.proto.graph.node].count("Cast") <= 4


def test_head_and_preprocessing_stay_in_float32(exported_fp16: Path, exported_int8: Path) -> None:
    half = {node.name: node for node in onnx.load(exported_fp16).graph.node}
    names = {value.name: value.type.tensor_type.elem_type for value in onnx.load(exported_fp16).graph.value_info}
    softmax = next(node for node in half.values() if node.op_type == "Softmax")
    assert names.get(softmax.input[0], onnx.TensorProto.FLOAT) == onnx.TensorProto.FLOAT
    eight = onnx.load(exported_int8).graph
    made = {name: node.op_type for node in eight.node for name in node.output}
    head = next(node for node in eight.node if node.op_type == "Softmax")
    assert made[head.input[0]] not in ("DequantizeLinear", "QuantizeLinear")


def a_layer_scaled(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    """Scale the weights of the last backbone convolution; for int8, their quantization scale.

    int8 needs a larger change, because its tolerance for golden scores is larger.
    """
    tensors = {tensor.name: tensor for tensor in proto.graph.initializer}
    if manifest.precision == "fp16":
        factor, names = 1.3, [node.input[1] for node in proto.graph.node if node.op_type == "Conv"]
        name = [name for name in names if tensors[name].data_type == onnx.TensorProto.FLOAT16][-1]
    else:
        factor, unpacked = 0.25, [node for node in proto.graph.node if node.op_type == "DequantizeLinear"]
        weights = [node for node in unpacked if node.input[0] in tensors and len(tensors[node.input[0]].dims) == 4]
        name = weights[-1].input[1]
    values = onnx.numpy_helper.to_array(tensors[name])
    tensors[name].CopyFrom(onnx.numpy_helper.from_array((values * factor).astype(values.dtype), name))
    return manifest


@pytest.mark.long
@pytest.mark.parametrize("kind", ["exported_fp16", "exported_int8"])
def test_golden_frames_detect_a_changed_weight_at_every_precision(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    bundle = request.getfixturevalue(kind)
    for change in (two_labels_swapped, a_layer_scaled):
        with pytest.raises(BundleError, match=r"failed its self-test"):
            verify(reseal(bundle, tmp_path / "forged.onnx", change))


def test_a_rejected_precision_names_the_violated_limit_and_writes_nothing(
    learned_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ExportSettings(learned_run, tmp_path / "model.onnx", precision="fp16", limits=NOTHING_PASSES)
    with pytest.raises(
        ExportRejectedError,
        match=r"--precision fp16 deviates too far from Keras; .*score difference is 0\.\d+, the limit is 0",
    ):
        export_run(settings)
    assert list(tmp_path.iterdir()) == []
    assert "candidate rejected: float16" in capsys.readouterr().err


def test_int8_is_retried_with_fewer_quantized_convolutions(
    learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(candidates, "_CALIBRATION_FRAMES_MAX", 4)
    settings = ExportSettings(learned_run, tmp_path / "model.onnx", precision="int8", limits=NOTHING_PASSES)
    with pytest.raises(ExportRejectedError, match="nothing was written"):
        export_run(settings)
    tried = [line for line in capsys.readouterr().err.splitlines() if line.startswith("candidate rejected: int8")]
    assert [line.split(";")[0].removeprefix("candidate rejected: int8, ") for line in tried] == [
        "every convolution",
        *(f"the first {kept} of 15 convolutions in float32" for kept in (3, 7, 11)),
    ]
    assert list(tmp_path.iterdir()) == []


def test_takes_the_first_candidate_that_passes(
    learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first candidate is clearly wrong, the second one is correct."""

    def wrong_then_right(proto: onnx.ModelProto) -> object:
        bad = quantize._copy(proto)
        kernel = next(each for each in bad.graph.initializer if each.name == constant_into(bad, "MatMul"))
        kernel.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(kernel), kernel.name))
        yield QuantizedModel(bad, "negated")
        yield QuantizedModel(proto, "unchanged")

    monkeypatch.setattr(candidates, "in_float32", wrong_then_right)
    limits = replace(LIMITS["fp32"], score_difference_max=1e-4)
    done = export_run(ExportSettings(learned_run, tmp_path / "model.onnx", limits=limits))
    assert done.manifest.fidelity is not None
    assert done.manifest.fidelity.scheme == "unchanged"
    assert done.manifest.fidelity.agreement == 1
    assert np.isclose(done.manifest.fidelity.accuracy, done.manifest.validation.accuracy)
