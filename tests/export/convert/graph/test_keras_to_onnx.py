"""Models that cannot be exported are rejected with the name of the layer before anything is written."""

from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.runs.keras_model import load_model
from stripwatch.worker.common.errors import ExportRejectedError, InputError

pytestmark = pytest.mark.training


@keras.saving.register_keras_serializable(package="plant")
class Bessel(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """A layer with a function that has no ONNX operator."""

    def call(self, values: Any) -> Any:
        return tf.math.bessel_i0(values)


def model_of(layer: keras.layers.Layer) -> keras.Model:
    frames = keras.Input((4, 4, 3), dtype="uint8", name="frames")
    means = keras.layers.GlobalAveragePooling2D()(keras.ops.cast(frames, "float32"))
    return keras.Model(frames, [layer(means)])


def test_names_a_layer_without_an_onnx_operator() -> None:
    with pytest.raises(
        ExportRejectedError, match=r"layer '.*bessel.*' needs the operator BesselI0, which ONNX opset 17 does not have"
    ):
        to_onnx(model_of(Bessel()))


def test_names_a_layer_class_unknown_to_keras(tmp_path: Path) -> None:
    model_of(Bessel()).save(tmp_path / "model.keras")
    keras.saving.get_custom_objects().pop("plant>Bessel")
    with pytest.raises(InputError, match=r"cannot load .*model\.keras: Could not locate class 'Bessel'$"):
        load_model(tmp_path)
