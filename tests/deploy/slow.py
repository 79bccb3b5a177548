"""A slow version of the tiny model: the same scores after 50 GFLOP of extra work, more than fits between two frames."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.tiny import build_model

_SIDE, _ROUNDS = 1024, 24


def slow_model() -> onnx.ModelProto:
    """Multiply large matrices derived from the frame, without any effect on the logits."""
    model = build_model()
    graph = model.graph
    constants = {"side": np.array([_SIDE, _SIDE], np.int64), "nothing": np.float32(0), "shrink": np.float32(1 / _SIDE)}
    graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items())
    waste = [
        helper.make_node("ReduceMean", ["scaled"], ["one"], keepdims=0),
        helper.make_node("Mul", ["one", "shrink"], ["small"]),
        helper.make_node("Expand", ["small", "side"], ["matrix_0"]),
        *(helper.make_node("MatMul", [f"matrix_{i}", "matrix_0"], [f"matrix_{i + 1}"]) for i in range(_ROUNDS)),
        helper.make_node("ReduceMean", [f"matrix_{_ROUNDS}"], ["wasted"], keepdims=0),
        helper.make_node("Mul", ["wasted", "nothing"], ["zero"]),
        helper.make_node("Add", ["logits", "zero"], ["slow_logits"]),
    ]
    nodes = list(graph.node)
    at = next(number for number, node in enumerate(nodes) if node.op_type == "Softmax")
    nodes[at].input[0] = "slow_logits"
    del graph.node[:]
    graph.node.extend([*nodes[:at], *waste, *nodes[at:]])
    return model
