"""Conversion of an ONNX model to half precision or int8, with the sensitive parts kept in float32.

fp16: only the backbone is converted. Preprocessing, head and outputs stay in float32, because a sum over many cells and
a softmax would lose decisive digits.
int8: static quantization per channel with QDQ nodes, which every provider of ONNX Runtime supports. The first
convolutions hold few weights but cause much of the error, so a growing share of them stays in float32 until the gate
passes. Joining the maps of several layers also stays in float32. Weights use seven of their eight bits: x86 without
VNNI adds two products of an activation and a weight in 16 bits and saturates on overflow, so scores computed with 8-bit
weights would depend on the processor (see reduce_range in
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html).
"""

import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from stripwatch.export.runs.lazy_imports import silenced
from stripwatch.export.runs.run_folder import JOINED
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.common.process.cores import library_threads
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME

_BATCH = 16
_FLOAT_SHARES = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A candidate for the accuracy gate. scheme: short description of its precision."""

    proto: onnx.ModelProto
    scheme: str


QuantizedModels = Generator[QuantizedModel]


def in_float32(proto: onnx.ModelProto) -> QuantizedModels:
    """Yield the model unchanged."""
    yield QuantizedModel(proto, "float32")


def in_half(proto: onnx.ModelProto, backbone: str) -> QuantizedModels:
    """Yield the model with its backbone in float16. backbone: name of its layer, which its node names contain."""
    kept = _outside(proto, backbone)
    with silenced():
        half = convert_float_to_float16(_copy(proto), keep_io_types=True, node_block_list=kept)
    _keep_float32(half)
    OnnxModel(half).topological_sort()  # the converter appends its casts at the end
    yield QuantizedModel(half, "float16; preprocessing and head in float32")


def _keep_float32(half: onnx.ModelProto) -> None:
    """Remove the casts to float16 and back between nodes in float32.

    The converter casts every output of a node to float16, also between two nodes that stay in float32. A value above
    65,504, such as the squared distance of an anomaly, would become infinite there.
    """
    casts = {node.output[0]: node for node in half.graph.node if node.op_type == "Cast"}
    sources = {
        name: casts[cast.input[0]].input[0]
        for name, cast in casts.items()
        if _target(cast) == onnx.TensorProto.FLOAT
        and cast.input[0] in casts
        and _target(casts[cast.input[0]]) == onnx.TensorProto.FLOAT16
    }
    outputs = {each.name for each in half.graph.output}
    for node in half.graph.node:
        for at, value in enumerate(node.input):
            node.input[at] = sources.get(value, value)
    for name, source in sources.items():
        if name in outputs:  # the cast stays, because the output needs its name, but casts float32 to float32
            casts[name].input[0] = source
        else:
            half.graph.node.remove(casts[name])
    read = {value for node in half.graph.node for value in node.input} | outputs
    for name, cast in casts.items():
        if name not in read and name not in sources:
            half.graph.node.remove(cast)


def _target(cast: onnx.NodeProto) -> int:
    return int(next(attribute.i for attribute in cast.attribute if attribute.name == "to"))


def in_eight_bits(proto: onnx.ModelProto, backbone: str, frames: Pixels) -> QuantizedModels:
    """Yield int8 models with all convolutions of the backbone quantized, then the last 75, 50 and 25 %.

    backbone: name of its layer, which its node names contain. frames: uint8 [n, h, w, c], for calibration. Raises
    ExportRejectedError if the backbone has no convolution.
    """
    with tempfile.TemporaryDirectory(prefix="stripwatch-export-") as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        _fold(proto, source)
        folded = onnx.load(source)
        nodes = list(folded.graph.node)
        convolutions = [at for at, node in enumerate(nodes) if node.op_type == "Conv"]
        # Joined maps share one scale, which is too coarse for the one with the smallest values.
        outside = {*_outside(folded, backbone), *(node.name for node in nodes if JOINED in node.name)}
        inside = [at for at in convolutions if nodes[at].name not in outside]
        if not inside:
            raise ExportRejectedError("--precision int8: the backbone has no convolution to quantize")
        for share in _FLOAT_SHARES:
            first = inside[int(share * len(inside))]
            left = outside | {node.name for node in nodes[:first]} if share else outside
            with silenced():
                quantize_static(
                    source,
                    target,
                    _Frames(frames),
                    QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=True,  # applies to the weights only
                    activation_type=QuantType.QUInt8,  # same resolution as signed, and native on x86
                    nodes_to_exclude=sorted(left),
                )
            kept = int(share * len(inside))
            part = f"the first {kept} of {len(inside)} convolutions in float32" if kept else "every convolution"
            yield QuantizedModel(onnx.load(target), f"int8, {part}; preprocessing and head in float32")


def _outside(proto: onnx.ModelProto, backbone: str) -> list[str]:
    """Return the names of the nodes outside the backbone: preprocessing and head.

    A node whose name the converter replaced counts as outside if all nodes that read its output are outside.
    """
    named = {node.name for node in proto.graph.node if "/" in node.name and backbone not in node.name}
    readers: dict[str, list[str]] = {}
    for node in proto.graph.node:
        for value in node.input:
            readers.setdefault(value, []).append(node.name)
    for node in reversed(proto.graph.node):
        after = [reader for value in node.output for reader in readers.get(value, [])]
        if "/" not in node.name and after and all(reader in named for reader in after):
            named.add(node.name)
    return sorted(named)


def _copy(proto: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return copy


def _fold(proto: onnx.ModelProto, out: Path) -> None:
    """Write the model with constants and batch normalization folded, as the quantizer expects."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = library_threads()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


class _Frames(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Feeds frames to the calibration in batches."""

    def __init__(self, frames: Pixels) -> None:
        self._batches = iter([frames[at : at + _BATCH] for at in range(0, len(frames), _BATCH)])

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: np.ascontiguousarray(batch)}
