"""Computational cost of an ONNX graph: multiply-adds per frame and parameters, counted from its shapes."""

import math

import onnx
from onnx import ModelProto, NodeProto, shape_inference

_Shapes = dict[str, list[int]]
_SUMS = ("Conv", "Gemm", "MatMul")


def multiply_adds(model: bytes) -> int | None:
    """Return the number of multiply-adds that convolutions and matrix products need for one frame.

    Each output value counts as many as the products it sums: channels of a group x height x width of the kernel for a
    convolution, rows of the matrix for a matrix product. Returns None if the file leaves a size undefined.
    """
    proto = onnx.load_from_string(model)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    shapes = _shapes(proto)
    counts = [_node_multiply_adds(node, shapes) for node in proto.graph.node if node.op_type in _SUMS]
    return None if 0 in counts else sum(counts)


def parameters(model: bytes) -> int:
    """Return the number of values in the constants of the graph, scalars excluded."""
    proto = onnx.load_from_string(model)
    return sum(math.prod(tensor.dims) for tensor in proto.graph.initializer if tensor.dims)


def _shapes(proto: ModelProto) -> _Shapes:
    inferred = shape_inference.infer_shapes(proto, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        shapes[value.name] = [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
    return shapes


def _node_multiply_adds(node: NodeProto, shapes: _Shapes) -> int:
    """Return the multiply-adds of one node; 0 if a size is unknown."""
    results, first, second = (shapes.get(name, [0]) for name in (node.output[0], *node.input[:2]))
    summed = math.prod(second[1:]) if node.op_type == "Conv" else first[-1]  # kernels are [out, in / group, h, w]
    return math.prod(results) * summed
