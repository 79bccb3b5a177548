"""A grey model reads one channel where that gives the same scores as three equal ones, and only there."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import build_classifier
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.worker.images.decode_spec import Pixels

pytestmark = pytest.mark.training

FRAMES: Pixels = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 1), np.uint8)


def alike(pixels: Any) -> Any:
    return pixels / 127.5 - 1.0


def vector_alike(pixels: Any) -> Any:
    return (pixels - np.full(3, 120.0, np.float32)) * np.full((1, 1, 1, 3), 0.01, np.float32)


def same_vector_twice(pixels: Any) -> Any:
    vector = keras.ops.convert_to_tensor(np.full(3, 2.0, np.float32))
    return keras.ops.subtract(vector, pixels * vector)


def by_channel(pixels: Any) -> Any:
    return pixels - np.array([103.9, 116.8, 123.7], np.float32)


def convolution(pixels: Any) -> Any:
    return keras.layers.Conv2D(4, 3, 2, padding="same", activation="relu")(pixels)


def depthwise(pixels: Any) -> Any:
    return keras.layers.DepthwiseConv2D(3, padding="same")(pixels)


def two_convolutions(pixels: Any) -> Any:
    return keras.ops.concatenate([convolution(pixels), convolution(pixels)], axis=-1)


def convolution_and_pooling(pixels: Any) -> Any:
    return keras.ops.concatenate([convolution(pixels), keras.layers.AveragePooling2D(2)(pixels)], axis=-1)


def grey_model(preprocess: Callable[[Any], Any], body: Callable[[Any], Any]) -> keras.Model:
    keras.utils.set_random_seed(3)
    frames = keras.Input((16, 16, 1), dtype="uint8", name="frames")
    pixels = keras.ops.concatenate([keras.ops.cast(frames, "float32")] * 3, axis=-1)
    return keras.Model(frames, keras.layers.GlobalAveragePooling2D()(body(preprocess(pixels))))


def converted(model: keras.Model) -> onnx.ModelProto:
    """Return the ONNX model, after a check that it is valid and gives the scores of Keras."""
    proto = to_onnx(model)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"frames": FRAMES})
    np.testing.assert_allclose(scores, model.predict(FRAMES, verbose=0), rtol=1e-4, atol=1e-4)
    return proto


def first_kernels(proto: onnx.ModelProto) -> list[list[int]]:
    sizes = {each.name: list(each.dims) for each in proto.graph.initializer}
    return [sizes[node.input[1]] for node in proto.graph.node if node.op_type == "Conv"]


def repeats_a_value(proto: onnx.ModelProto) -> bool:
    return any(node.op_type == "Concat" and len(set(node.input)) == 1 for node in proto.graph.node)


@pytest.mark.parametrize("preprocess", [alike, vector_alike, same_vector_twice])
@pytest.mark.parametrize(("body", "count"), [(convolution, 1), (two_convolutions, 2)])
def test_a_convolution_reads_one_channel(
    preprocess: Callable[[Any], Any], body: Callable[[Any], Any], count: int
) -> None:
    proto = converted(grey_model(preprocess, body))
    assert first_kernels(proto) == [[4, 1, 3, 3]] * count
    assert proto.graph.node[0].op_type == "Transpose"
    assert not repeats_a_value(proto)


@pytest.mark.parametrize(
    ("preprocess", "body"), [(by_channel, convolution), (alike, depthwise), (alike, convolution_and_pooling)]
)
def test_other_models_keep_three_channels(preprocess: Callable[[Any], Any], body: Callable[[Any], Any]) -> None:
    proto = converted(grey_model(preprocess, body))
    assert repeats_a_value(proto)


def test_a_repeat_along_the_strip_is_kept() -> None:
    frames = keras.Input((16, 16, 1), dtype="uint8", name="frames")
    wide = keras.ops.concatenate([keras.ops.cast(frames, "float32")] * 3, axis=2)
    proto = converted(keras.Model(frames, keras.layers.GlobalAveragePooling2D()(convolution(wide))))
    assert repeats_a_value(proto)


def test_mobilenet_is_among_the_networks_that_read_one_channel() -> None:
    network = find_network("mobilenet")
    backbone = build_backbone(network, (32, 32, 3), 0.25, "none", "")
    grey = build_classifier(network, backbone, OutputSpec(3), 0.2, frozen=True, channels=1).whole
    assert first_kernels(to_onnx(grey))[0] == [8, 1, 3, 3]


def test_no_constant_is_left_unused() -> None:
    proto = converted(grey_model(vector_alike, convolution))
    read = Counter(name for node in proto.graph.node for name in node.input)
    assert all(read[each.name] for each in proto.graph.initializer)
