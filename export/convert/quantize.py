"""The converted model in half precision or in eight bits; what is delicate stays in float32.

fp16: the backbone alone. Preprocessing, head and outputs stay as they are, since a sum over places and a softmax lose
digits that decide. int8: static, per channel, as QDQ nodes, which every provider of ONNX Runtime reads. The first
convolutions hold few weights and much of the error, so that more and more of them stay in float until the gate passes.
Weights take seven of their eight bits: x86 without VNNI adds two products of an activation and a weight in 16 bits and
cuts off what does not fit, so that the scores of weights of eight bits depend on the processor.
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
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.common.process.cores import library_threads
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME

_BATCH = 16
_FLOAT_SHARES = (0.0, 0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """A model that might do, and in a few words what was done to it."""

    proto: onnx.ModelProto
    scheme: str


QuantizedModels = Generator[QuantizedModel]


def in_float32(proto: onnx.ModelProto) -> QuantizedModels:
    yield QuantizedModel(proto, "float32")


def in_half(proto: onnx.ModelProto, backbone: str) -> QuantizedModels:
    """backbone: the name of its layer, which the names of its nodes hold."""
    kept = _outside(proto, backbone)
    with silenced():
        half = convert_float_to_float16(_copy(proto), keep_io_types=True, node_block_list=kept)
    OnnxModel(half).topological_sort()  # the casts it adds stand at the end
    yield QuantizedModel(half, "float16; preprocessing and head in float32")


def in_eight_bits(proto: onnx.ModelProto, backbone: str, frames: Pixels) -> QuantizedModels:
    """From all convolutions of the backbone in eight bits to its last quarter. frames: [n, h, w, c] to calibrate by."""
    with tempfile.TemporaryDirectory(prefix="stripwatch-export-") as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        _fold(proto, source)
        folded = onnx.load(source)
        nodes = list(folded.graph.node)
        convolutions = [at for at, node in enumerate(nodes) if node.op_type == "Conv"]
        outside = set(_outside(folded, backbone))
        inside = [at for at in convolutions if nodes[at].name not in outside]
        if not inside:
            raise ExportRejectedError("--precision int8: the backbone has no convolution to make eight bits of")
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
                    reduce_range=True,  # of the weights alone
                    activation_type=QuantType.QUInt8,  # the same steps as signed ones; x86 computes with these
                    nodes_to_exclude=sorted(left),
                )
            kept = int(share * len(inside))
            words = f"the first {kept} of {len(inside)} convolutions in float32" if kept else "every convolution"
            yield QuantizedModel(onnx.load(target), f"int8, {words}; preprocessing and head in float32")


def _outside(proto: onnx.ModelProto, backbone: str) -> list[str]:
    """The nodes of preprocessing and head. A node that the converter renamed belongs to what it stands between."""
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
    """What any device can do ahead: constants, batch normalisation. The quantizer expects it to be done."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = library_threads()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


class _Frames(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """Hands the frames to the calibration, batch by batch."""

    def __init__(self, frames: Pixels) -> None:
        self._batches = iter([frames[at : at + _BATCH] for at in range(0, len(frames), _BATCH)])

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT_NAME: np.ascontiguousarray(batch)}
