"""Conversion from Keras to ONNX, with the input and output names and sizes that the worker expects."""

import logging
from collections.abc import Sequence
from typing import cast

import keras
import onnx
import tensorflow as tf
import tf2onnx.convert
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from stripwatch.export.convert.graph.grey_input import read_one_channel
from stripwatch.export.runs.lazy_imports import silenced
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.model.bundle import HEATMAPS_NAME, INPUT_NAME, SCORES_NAME

OPSET = 17
_OUTPUTS = (SCORES_NAME, HEATMAPS_NAME)


def to_onnx(model: keras.Model, outputs: Sequence[str] | None = None) -> onnx.ModelProto:
    """Convert a model. Only the batch dimension stays dynamic.

    outputs: names of its outputs; by default, scores and heatmaps, if it has a second output.

    The variables are frozen first, because converting the function directly leaves constants as graph inputs for some
    networks. The first convolution of a grey model reads one channel. Raises ExportRejectedError if a layer cannot be
    converted.
    """
    frozen = _freeze(model)
    names = (INPUT_NAME, *(_OUTPUTS[: len(model.outputs)] if outputs is None else outputs))
    tensors = [tensor.name for tensor in (*frozen.inputs, *frozen.outputs)]
    try:
        with silenced(logging.ERROR):  # tf2onnx logs operators it cannot convert and leaves them in the graph
            proto, _ = tf2onnx.convert.from_graph_def(
                frozen.graph.as_graph_def(),
                input_names=tensors[:1],
                output_names=tensors[1:],
                opset=OPSET,
                tensors_to_rename=dict(zip(tensors, names, strict=True)),
            )
    except Exception as error:  # tf2onnx passes on any type
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ExportRejectedError(f"tf2onnx cannot convert this model: {reason}") from error
    _check_operators(proto)
    read_one_channel(proto)
    _fix_sizes(proto.graph.input[0], model.input_shape)
    for value, output in zip(proto.graph.output, model.outputs, strict=True):
        _fix_sizes(value, output.shape)
    return cast(onnx.ModelProto, proto)


def _check_operators(proto: onnx.ModelProto) -> None:
    for node in proto.graph.node:
        if not onnx.defs.has(node.op_type, OPSET, node.domain):
            raise ExportRejectedError(
                f"layer {node.name!r} needs the operator {node.op_type}, which ONNX opset {OPSET} does not have"
            )


def _freeze(model: keras.Model) -> tf.types.experimental.ConcreteFunction:
    spec = tf.TensorSpec(model.input_shape, tf.uint8, name=INPUT_NAME)

    @tf.function(input_signature=[spec])  # type: ignore[untyped-decorator]  # tensorflow has no types
    def forward(frames: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return tuple(keras.tree.flatten(model(frames, training=False)))

    return convert_variables_to_constants_v2(forward.get_concrete_function())


def _fix_sizes(value: onnx.ValueInfoProto, shape: tuple[int | None, ...]) -> None:
    for dimension, size in zip(value.type.tensor_type.shape.dim, shape, strict=True):
        if size is None:
            dimension.dim_param = "batch"
        else:
            dimension.dim_value = size
