from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.operations import multiply_adds, parameters

pytestmark = pytest.mark.training


def conv_model(height: int | str = 8) -> bytes:
    """A 3x3 convolution of 4 channels in two groups to 6, stride 2, then a matrix of 6 x 5."""
    nodes = [
        helper.make_node("Conv", ["frames", "kernel"], ["maps"], group=2, strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("ReduceMean", ["maps"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "matrix"], ["scores"]),
    ]
    constants = {"kernel": np.zeros((6, 2, 3, 3), np.float32), "matrix": np.zeros((6, 5), np.float32)}
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["batch", 4, height, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 5])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    return model


def test_each_result_counts_what_it_sums() -> None:
    assert multiply_adds(conv_model()) == 6 * 4 * 4 * (2 * 3 * 3) + 5 * 6
    assert parameters(conv_model()) == 6 * 2 * 3 * 3 + 6 * 5


def test_an_open_size_gives_no_count() -> None:
    assert multiply_adds(conv_model("height")) is None


def test_the_demo_model_needs_what_its_paper_says() -> None:
    """41 million at 224x224 (Howard et al. 2017, table 6: width 0.25), so 41 * (160 / 224)^2 at 160x160."""
    demo = Path(__file__).parents[2] / "deploy" / "demo" / "strip-mobilenet.onnx"
    assert multiply_adds(demo.read_bytes()) == pytest.approx(41e6 * (160 / 224) ** 2, rel=0.01)
