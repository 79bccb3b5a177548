"""Layers of a backbone whose feature maps the novelty detector reads (taps)."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import numpy as np

from stripwatch.export.runs.novelty import MEAN, MEAN_AND_DEVIATION, pool
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.training.networks.joined_maps import without_joined
from stripwatch.training.networks.receptive_field import cell_step

# How the maps of the taps are pooled. The deviation of the fine map adds little, and costs most of the time: it takes
# further passes over the largest map.
STATISTICS = (MEAN, MEAN_AND_DEVIATION)
_MERGES = (keras.layers.Add, keras.layers.Concatenate)
# Layers that do not end a convolution: the features are those of the layer that follows.
_PARTS = (keras.layers.BatchNormalization, keras.layers.Activation, keras.layers.ReLU)
_FINE_STEP_PX, _COARSE_STEP_PX = 8, 16  # distance of the cells of both taps


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
    def statistics(self) -> tuple[str, ...]:
        """Return how the maps of each tap are pooled. A single tap is the coarse one."""
        return STATISTICS[-len(self.names) :]

    @property
    def widths(self) -> list[int]:
        """Return the number of pooled features of each tap."""
        each = zip(self.channels, self.statistics, strict=True)
        return [channels * (2 if how == MEAN_AND_DEVIATION else 1) for channels, how in each]

    @property
    def features(self) -> int:
        """Return the number of pooled features of all taps."""
        return sum(self.widths)

    def split(self, columns: Array) -> list[Array]:
        """Return the features of each tap, [n, f]. columns: those of all taps side by side, [n, features]."""
        return np.split(columns, np.cumsum(self.widths)[:-1], axis=1)


def choose_taps(backbone: keras.Model) -> Taps:
    """Return the taps of a backbone: the last block with one cell per 8 pixels, and the middle one with one per 16.

    Deeper layers distinguish the classes that the network was trained on and ignore other differences; layers before
    see too little of the frame. A block ends with a sum or concatenation of branches, or else with a convolution that
    combines channels, its normalization and its activation. All paths to the output pass through it. The rule needs no
    names of layers, so it applies to every network and every cut. A backbone that is cut before has the last blocks of
    its two coarsest maps as taps. A backbone with joined maps has the same taps as without them.
    """
    backbone = without_joined(backbone)
    blocks = block_ends(backbone)
    if _FINE_STEP_PX in blocks and _COARSE_STEP_PX in blocks:
        positions = [blocks[_FINE_STEP_PX][-1], _middle(backbone, blocks[_COARSE_STEP_PX])]
    else:
        steps = [step for step in sorted(blocks) if step <= _COARSE_STEP_PX] or sorted(blocks)[:1]
        positions = [blocks[step][-1] for step in steps[-2:]]
    layers = [backbone.layers[at] for at in positions]
    return Taps(tuple(each.name for each in layers), tuple(positions), tuple(each.output.shape[-1] for each in layers))


def _middle(backbone: keras.Model, blocks: Sequence[int]) -> int:
    """Return the middle one of these blocks; of two, the later one if blocks are plain convolutions, else the earlier.

    That choice was better for MobileNet (no merges) and for EfficientNet-Lite0 (sums).
    """
    merges = isinstance(backbone.layers[blocks[0]], _MERGES)
    return blocks[(len(blocks) - merges) // 2]


def with_pooled_taps(model: keras.Model, taps: Taps) -> keras.Model:
    """Return a model that also returns the pooled features of all taps side by side, float32 [n, taps.features]."""
    view, count = with_taps(model, taps.names), len(model.outputs)
    maps = view.outputs[count:]
    inputs = [keras.Input(each.shape[1:], dtype="float32") for each in maps]
    pooled = [pool(each, how, keras.ops) for each, how in zip(inputs, taps.statistics, strict=True)]
    pooling = keras.Model(
        inputs, keras.ops.concatenate(pooled, axis=1), name="pooled_taps"
    )  # its operations may have the names of those of the model
    return keras.Model(view.inputs, [*view.outputs[:count], pooling(maps)])


def block_ends(backbone: keras.Model) -> dict[int, list[int]]:
    """Return the positions of the layers that end a block, by the distance of their cells in pixels.

    They are the merges of a distance that has any, else the convolutions.
    """
    paths: dict[int, list[int]] = {}
    for at in _main_path(backbone):
        output = backbone.layers[at].output
        if len(output.shape) == 4:
            paths.setdefault(cell_step(output), []).append(at)
    ends = {}
    for step, path in paths.items():
        merges = [at for at in path if isinstance(backbone.layers[at], _MERGES)]
        ends[step] = merges or _convolution_ends(backbone, path)
    return {step: found for step, found in ends.items() if found}


def _convolution_ends(backbone: keras.Model, path: Sequence[int]) -> list[int]:
    """Return the last layer of each convolution that combines channels, with its normalization and activation."""
    ends: list[int] = []
    for before, at in zip([-1, *path], path, strict=False):
        layer = backbone.layers[at]
        if isinstance(layer, _PARTS) and ends and ends[-1] == before:
            ends[-1] = at
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.SeparableConv2D):
            ends.append(at)
    return ends


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
