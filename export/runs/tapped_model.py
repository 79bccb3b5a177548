"""A Keras model that also returns feature maps from within its backbone."""

from collections.abc import Sequence
from typing import Any

import keras

from stripwatch.worker.common.errors import InputError


def with_taps(model: keras.Model, taps: Sequence[str]) -> keras.Model:
    """Return a model on the same layers that also returns the feature maps of some layers of its backbone.

    The result computes the backbone only once. Its outputs are those of `model`, followed by one map [n, h, w, c] for
    each tap, float32. Add all other outputs to `model` first, because tensors of `model` are not part of the result.

    Args:
        model: Model that contains the backbone as a nested model, such as the model of a run or its exported view.
        taps: Names of layers of the backbone.

    Raises:
        InputError: The backbone has no layer with this name.
    """
    maps: list[Any] = []

    def call(layer: keras.layers.Layer, *values: Any, **options: Any) -> Any:
        if not isinstance(layer, keras.Model):
            return layer(*values, **options)
        end, *found = _extended(layer, taps)(*values, **options)
        maps.extend(found)
        return end

    copy = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)
    # Named, because Keras restarts the numbering of operations in each process, so the generated name of a cast
    # could be that of one in the loaded model.
    named = [keras.layers.Activation("linear", dtype="float32", name=f"tap_{at}") for at in range(len(maps))]
    return keras.Model(copy.inputs, [*copy.outputs, *(layer(each) for layer, each in zip(named, maps, strict=True))])


def _extended(backbone: keras.Model, taps: Sequence[str]) -> keras.Model:
    """Return the backbone with the maps of the taps as further outputs, under its name, which is part of ONNX names."""
    names = {layer.name for layer in backbone.layers}
    for tap in taps:
        if tap not in names:
            raise InputError(f"the novelty detector reads layer {tap!r}, which the backbone lacks; fit the model again")
    outputs = [backbone.outputs[0], *(backbone.get_layer(tap).output for tap in taps)]
    return keras.Model(backbone.inputs, outputs, name=backbone.name)
