"""Half precision and eight bits: smaller files that prove themselves, or a refusal that says by how much."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from stripwatch.export.convert import export_run as export_run_module
from stripwatch.export.convert import quantize
from stripwatch.export.convert.accuracy_gate import LIMITS
from stripwatch.export.convert.export_run import ExportSettings, export_run
from stripwatch.export.convert.quantize import QuantizedModel
from stripwatch.export.convert.verify import verify
from stripwatch.worker.common.errors import BundleError, ExportRejectedError
from stripwatch.worker.model.bundle import TOLERANCE_MAX, Manifest, read_bundle
from tests.export.convert.forgeries import NOTHING_PASSES, constant_into, reseal, two_labels_swapped

pytestmark = pytest.mark.training


def tensor_types(path: Path) -> dict[int, int]:
    """Bytes of weights by their type."""
    sizes: dict[int, int] = {}
    for tensor in onnx.load(path).graph.initializer:
        sizes[tensor.data_type] = sizes.get(tensor.data_type, 0) + onnx.numpy_helper.to_array(tensor).nbytes
    return sizes


def outside(path: Path) -> tuple[list[int], list[int]]:
    graph = onnx.load(path).graph
    kinds = [[value.type.tensor_type.elem_type for value in values] for values in (graph.input, graph.output)]
    return kinds[0], kinds[1]


def test_half_precision_is_half_the_size_and_the_same_from_outside(exported_fp32: Path, exported_fp16: Path) -> None:
    assert exported_fp16.stat().st_size < 0.75 * exported_fp32.stat().st_size  # golden frames are as large as before
    weights = tensor_types(exported_fp16)
    assert weights[onnx.TensorProto.FLOAT16] > 10 * weights[onnx.TensorProto.FLOAT]
    assert outside(exported_fp16) == outside(exported_fp32)
    proved, manifest = verify(exported_fp16), read_bundle(exported_fp16).manifest
    assert manifest.precision == "fp16"
    assert proved.golden_difference <= manifest.score_tolerance <= 0.01
    assert manifest.fidelity is not None
    assert manifest.fidelity.scheme == "float16; preprocessing and head in float32"
    assert 0 < manifest.fidelity.score_difference < 0.2


def test_eight_bits_are_a_quarter_of_the_size_and_the_same_from_outside(
    exported_fp32: Path, exported_int8: Path
) -> None:
    weights = tensor_types(exported_int8)
    assert 4 * weights[onnx.TensorProto.INT8] > 0.9 * tensor_types(exported_fp32)[onnx.TensorProto.FLOAT], weights
    assert outside(exported_int8) == outside(exported_fp32)
    proved, manifest = verify(exported_int8), read_bundle(exported_int8).manifest
    assert manifest.precision == "int8"
    assert proved.golden_difference <= manifest.score_tolerance <= TOLERANCE_MAX
    assert manifest.fidelity is not None
    assert "int8, " in manifest.fidelity.scheme


@pytest.mark.long
def test_eight_bits_give_the_same_sums_on_a_processor_without_vnni(exported_int8: Path) -> None:
    """It adds two products of an unsigned activation and a weight in 16 bits, and cuts off what does not fit."""
    initializers = onnx.load(exported_int8).graph.initializer
    weights = [onnx.numpy_helper.to_array(each) for each in initializers if each.data_type == onnx.TensorProto.INT8]
    largest = max(int(np.abs(each.astype(int)).max()) for each in weights)
    assert largest > 32
    assert 2 * 255 * largest < 2**15


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
    """The last convolution of the backbone: its weights, or the scale of its weights in eight bits.

    Eight bits forgive more: a change that moves no golden score by more than the tolerance is not seen.
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
def test_golden_frames_catch_a_forgery_at_every_precision(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    bundle = request.getfixturevalue(kind)
    for change in (two_labels_swapped, a_layer_scaled):
        with pytest.raises(BundleError, match=r"does not compute what was trained|calls golden frame"):
            verify(reseal(bundle, tmp_path / "forged.onnx", change))


def test_a_refused_precision_says_by_how_much_and_writes_nothing(
    learned_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ExportSettings(learned_run, tmp_path / "model.onnx", precision="fp16", limits=NOTHING_PASSES)
    with pytest.raises(
        ExportRejectedError, match=r"--precision fp16 loses too much, .*a score differs by 0\.\d+, at most 0"
    ):
        export_run(settings)
    assert list(tmp_path.iterdir()) == []
    assert "refused: float16" in capsys.readouterr().err


def test_eight_bits_are_tried_with_fewer_and_fewer_of_them(
    learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(export_run_module, "_CALIBRATION_FRAMES_MAX", 4)
    settings = ExportSettings(learned_run, tmp_path / "model.onnx", precision="int8", limits=NOTHING_PASSES)
    with pytest.raises(ExportRejectedError, match="nothing was written"):
        export_run(settings)
    tried = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refused: int8")]
    assert [line.split(";")[0].removeprefix("refused: int8, ") for line in tried] == [
        "every convolution",
        *(f"the first {kept} of 15 convolutions in float32" for kept in (3, 7, 11)),
    ]
    assert list(tmp_path.iterdir()) == []


def test_the_first_that_passes_is_taken(learned_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A candidate that is plainly wrong, then the right one."""

    def wrong_then_right(proto: onnx.ModelProto) -> object:
        bad = quantize._copy(proto)
        kernel = next(each for each in bad.graph.initializer if each.name == constant_into(bad, "MatMul"))
        kernel.CopyFrom(onnx.numpy_helper.from_array(-onnx.numpy_helper.to_array(kernel), kernel.name))
        yield QuantizedModel(bad, "upside down")
        yield QuantizedModel(proto, "as it is")

    monkeypatch.setattr(export_run_module, "in_float32", wrong_then_right)
    limits = replace(LIMITS["fp32"], score_difference_max=1e-4)
    done = export_run(ExportSettings(learned_run, tmp_path / "model.onnx", limits=limits))
    assert done.manifest.fidelity is not None
    assert done.manifest.fidelity.scheme == "as it is"
    assert done.manifest.fidelity.agreement == 1
    assert np.isclose(done.manifest.fidelity.accuracy, done.manifest.validation.accuracy)
