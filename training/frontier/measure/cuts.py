"""Places at which a network can be cut, with the arithmetic up to there."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import Network
from stripwatch.training.novelty.taps import block_ends


@dataclass(frozen=True, slots=True)
class Cut:
    """A place at which a backbone can end.

    name: as for `fit --cut`. layer: name of the layer. channels: of its feature map. macs: multiplications of one frame
    up to there.
    """

    name: str
    layer: str
    channels: int
    macs: int


def find_cuts(backbone: keras.Model, last: str) -> list[Cut]:
    """Return the ends of the blocks of a backbone and its own end, in order.

    A block ends with a sum or concatenation of branches, or in a network without them with a convolution. Ends that
    `fit --cut` cannot name are left out. last: name of the own end, as for `fit --cut`.
    """
    positions = {at for ends in block_ends(backbone).values() for at in ends}
    end = backbone.output._keras_history[0].name
    layers = [backbone.layers[at] for at in sorted(positions)]
    inner = [_cut(backbone, layer, _name_of(layer)) for layer in layers if layer.name != end and _name_of(layer)]
    return [*inner, Cut(last, end, int(backbone.output.shape[-1]), multiplications(backbone.layers))]


def _cut(backbone: keras.Model, layer: keras.layers.Layer, name: str) -> Cut:
    part = keras.Model(backbone.inputs, layer.output)
    return Cut(name, layer.name, int(layer.output.shape[-1]), multiplications(part.layers))


def _name_of(layer: keras.layers.Layer) -> str:
    """Return the name of a cut for `fit --cut`; "" if there is none.

    Keras numbers layers without a name, and another process may number them differently. Such a layer is named by one
    that reads it.
    """
    if not _is_numbered(layer):
        return str(layer.name)
    readers = [node.operation for node in layer._outbound_nodes]
    named = [each for each in readers if not _is_numbered(each) and not isinstance(each.input, list)]
    return f"before:{named[0].name}" if named else ""


def _is_numbered(layer: keras.layers.Layer) -> bool:
    return re.sub(r"_\d+$", "", str(layer.name)).replace("_", "") == type(layer).__name__.lower()


def multiplications(layers: Sequence[keras.layers.Layer]) -> int:
    """Return the multiplications of the convolutions of one frame."""
    return sum(map(_of_layer, layers))


def _of_layer(layer: keras.layers.Layer) -> int:
    if not isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.SeparableConv2D):
        return 0
    cells = math.prod(layer.output.shape[1:3])
    return sum(cells * math.prod(weight.shape) for weight in layer.weights if len(weight.shape) == 4)


def describe_cuts(network: Network, choice: NetworkChoice) -> list[Cut]:
    """Return the cuts of a network at the size that it was published with, without loading its weights."""
    keras.backend.clear_session()  # names of layers are then those of a new process
    shape = (network.side_px, network.side_px, 3)
    return find_cuts(build_backbone(network, shape, choice.alpha, "none", choice.cut), choice.cut)
