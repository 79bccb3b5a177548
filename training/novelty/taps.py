"""Layers of a backbone whose feature maps the novelty detector reads (taps)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from stripwatch.export.runs.novelty import pool
from stripwatch.export.runs.novelty_components import Array
from stripwatch.export.runs.tapped_model import with_taps

STATISTICS = ("mean",)
# Padding and dropout only repeat the layer before them.
_WITHOUT_FEATURES = (keras.layers.InputLayer, keras.layers.ZeroPadding2D, keras.layers.Dropout)
_SCALES = 2


@dataclass(frozen=True, slots=True)
class Taps:
    """Taps of a backbone.

    names: of the layers. positions: of the layers in the backbone, since the names of some layers differ between
    two builds of a network. channels: of the maps.
    """

    names: tuple[str, ...]
    positions: tuple[int, ...]
    channels: tuple[int, ...]

    @property
    def features(self) -> int:
        """Return the number of pooled features of all taps."""
        return len(STATISTICS) * sum(self.channels)

    def split(self, columns: Array) -> list[Array]:
        """Return the features of each tap, [n, f]. columns: those of all taps side by side, [n, features]."""
        ends = len(STATISTICS) * np.cumsum(self.channels)
        return np.split(columns, ends[:-1], axis=1)


def choose_taps(backbone: keras.Model) -> Taps:
    """Return the taps of a backbone: the last layer at each of its two coarsest scales.

    A scale is the input size divided by the size of the map, rounded to a power of two. Only layers that all paths to
    the output pass through count, so a tap never misses one of several branches. The rule needs no names of layers, so
    it applies to every network and every cut.
    """
    last: dict[int, int] = {}
    for at in _main_path(backbone):
        layer = backbone.layers[at]
        if len(layer.output.shape) == 4 and not isinstance(layer, _WITHOUT_FEATURES):
            last[round(math.log2(backbone.input_shape[1] / layer.output.shape[1]))] = at
    positions = tuple(last[scale] for scale in sorted(last)[-_SCALES:])
    layers = [backbone.layers[at] for at in positions]
    return Taps(tuple(each.name for each in layers), positions, tuple(each.output.shape[-1] for each in layers))


def with_pooled_taps(model: keras.Model, taps: Taps) -> keras.Model:
    """Return a model that also returns the pooled features of all taps side by side, float32 [n, taps.features]."""
    view, count = with_taps(model, taps.names), len(model.outputs)
    maps = view.outputs[count:]
    inputs = [keras.Input(each.shape[1:], dtype="float32") for each in maps]
    pooled = keras.ops.concatenate([pool(each, STATISTICS, keras.ops) for each in inputs], axis=1)
    pooling = keras.Model(inputs, pooled, name="pooled_taps")  # its operations may have the names of those of the model
    return keras.Model(view.inputs, [*view.outputs[:count], pooling(maps)])


def _main_path(backbone: keras.Model) -> Sequence[int]:
    """Return the positions of the layers that all paths from input to output pass through, in order."""
    position = {layer.name: at for at, layer in enumerate(backbone.layers)}
    reached, path = 0, []  # reached: position of the last layer that reads any layer before
    for at, layer in enumerate(backbone.layers):
        if at >= reached:
            path.append(at)
        readers = [position.get(node.operation.name, at) for node in layer._outbound_nodes]
        reached = max([reached, *readers])
    return path
