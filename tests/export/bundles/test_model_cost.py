from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from stripwatch.export.bundles.model_cost import multiply_adds, parameters

pytestmark = pytest.mark.training


def conv_model(height: int | str = 8) -> bytes:
    """A 3x3 convolution from 4 to 6 channels in two groups with stride 2, followed by a 6 x 5 matrix product."""
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


def test_each_output_value_counts_its_products() -> None:
    assert multiply_adds(conv_model()) == 6 * 4 * 4 * (2 * 3 * 3) + 5 * 6
    assert parameters(conv_model()) == 6 * 2 * 3 * 3 + 6 * 5


def test_an_undefined_size_gives_no_count() -> None:
    assert multiply_adds(conv_model("height")) is None


# Stride and channels of the first eleven separable blocks (Howard et al. 2017, https://arxiv.org/abs/1704.04861, table
# 1), which the demo model uses.
_BLOCKS = [(1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5]


def test_the_demo_model_has_the_published_cost() -> None:
    """Width 0.25 at 160x160, and the head: 3x3 to 128 channels, 1x1 to five defects and "no defect here"."""
    side, channels = 80, 8
    expected = side**2 * 3 * 3 * 3 * channels
    for stride, wider in _BLOCKS:
        side //= stride
        expected += side**2 * (3 * 3 * channels + channels * wider // 4)
        channels = wider // 4
    expected += side**2 * (3 * 3 * channels * 128 + 128 * 6)
    demo = Path(__file__).parents[3] / "worker" / "bench" / "strip-mobilenet.onnx"
    assert multiply_adds(demo.read_bytes()) == pytest.approx(expected, rel=0.001)
