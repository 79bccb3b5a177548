"""The tiny model with an extra load of milliseconds per frame, so that a worker has a backlog."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from tests.tiny import LABELS, build_model, write_bundle

_PIXELS, _WIDTH, _LAYERS = 16 * 24, 512, 2


def write_slow_bundle(path: Path, layers: int = _LAYERS) -> Path:
    """Write a bundle with the scores of the tiny one. layers: each costs about 5 ms of CPU time per frame."""
    model = build_model()
    graph = model.graph
    constants: dict[str, NDArray[Any]] = {
        "pixels": np.array([-1, _PIXELS, 3], np.int64),
        "widen": np.full((3, _WIDTH), 1 / 3, np.float32),
        "mix": np.full((_WIDTH, _WIDTH), 1 / _WIDTH, np.float32),
        "column": np.array([-1, 1], np.int64),
        "nothing": np.zeros((1, len(LABELS)), np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    (softmax,) = (node for node in graph.node if node.op_type == "Softmax")
    graph.node.remove(softmax)
    graph.node.extend(
        [
            helper.make_node("Reshape", ["scaled", "pixels"], ["rows"]),
            helper.make_node("MatMul", ["rows", "widen"], ["load0"]),
            *(helper.make_node("MatMul", [f"load{n}", "mix"], [f"load{n + 1}"]) for n in range(layers)),
            helper.make_node("ReduceMean", [f"load{layers}"], ["load"], axes=[1, 2], keepdims=0),
            helper.make_node("Reshape", ["load", "column"], ["load_column"]),
            helper.make_node("Mul", ["load_column", "nothing"], ["zero"]),
            helper.make_node("Add", ["logits", "zero"], ["loaded_logits"]),
            helper.make_node("Softmax", ["loaded_logits"], ["scores"], axis=1),
        ]
    )
    onnx.checker.check_model(model)
    return write_bundle(path, model=model)
