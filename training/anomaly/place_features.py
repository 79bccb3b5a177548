"""Features of each place of a frame: maps of several depths of a backbone, on one grid of cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from stripwatch.training.networks.catalog import Network
from stripwatch.training.networks.classifier import frames_to_network
from stripwatch.training.networks.receptive_field import cell_grid
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.model.bundle import CellGrid

FEATURES_MAX = 4096  # the covariance of more takes over 100 MB for each fold
# Two blocks of the stage with a stride of 16, of which one is the last, and a block of the stage with a stride of 32 if
# that helps. Chosen for EfficientNet-Lite0 and MobileNet 0.25 on simulated strips of seed 101, on which no published
# figure was measured. Those of InceptionV3 follow the same rule and were not measured.
_TAPS = {
    "efficientnetlite0": ("block7_project_bn", "block10_project_bn", "block14_project_bn"),
    "inceptionv3": ("mixed4", "mixed7", "mixed8"),
    "mobilenet": ("conv_pw_7_relu", "conv_pw_11_relu"),
}


@dataclass(frozen=True, slots=True)
class PlaceFeatures:
    """Feature maps of a backbone.

    backbone: maps preprocessed frames [n, height, width, 3] to the maps of all taps, finest first. cells: height and
    width of the finest map, which is the grid of the places. features: of a place, over all maps. local: of a place,
    over the maps on that grid, which come first. grid: positions of the places on the frame.
    """

    backbone: keras.Model
    cells: tuple[int, int]
    features: int
    local: int
    grid: CellGrid

    def maps(self, network: Network, channels: int) -> tuple[Any, list[Any]]:
        """Return an input for frames, uint8 [n, height, width, channels], and the maps [n, h, w, c] of all taps."""
        frames, pixels = frames_to_network(network, self.backbone.input_shape[1:3], channels)
        found = self.backbone(pixels)
        return frames, list(found) if isinstance(found, list | tuple) else [found]


def place_features(network: Network, backbone: keras.Model, usual: Sequence[str]) -> PlaceFeatures:
    """Return the features of a backbone that a model of clean frames uses.

    usual: taps for networks without a measured choice, and for cuts before it. Raises SettingsError if there are more
    than FEATURES_MAX features.
    """
    names = {layer.name for layer in backbone.layers}
    chosen = [name for name in _TAPS.get(network.name, ()) if name in names] or list(usual)
    outputs = [backbone.get_layer(name).output for name in chosen]
    outputs.sort(key=lambda output: -output.shape[1] * output.shape[2])
    finest = outputs[0]
    features = sum(output.shape[-1] for output in outputs)
    local = sum(output.shape[-1] for output in outputs if output.shape[1:3] == finest.shape[1:3])
    if features > FEATURES_MAX:
        raise SettingsError(
            f"--network {network.name} has {features} features per place, more than {FEATURES_MAX}; pass --cut to end "
            "it earlier, or choose another network"
        )
    tapped = keras.Model(backbone.inputs, outputs, name=backbone.name)
    grid = cell_grid(keras.Model(backbone.inputs, finest))
    return PlaceFeatures(tapped, (finest.shape[1], finest.shape[2]), features, local, grid)


def aligned(values: Any, cells: tuple[int, int]) -> Any:
    """Return a map [n, h, w, c] on the grid of the places, by bilinear interpolation."""
    if tuple(values.shape[1:3]) == cells:
        return values
    return keras.ops.image.resize(values, cells, interpolation="bilinear")


def feature_model(places: PlaceFeatures, network: Network, channels: int) -> keras.Model:
    """Return a model from frames to the features of each place, float32 [n, h, w, features]."""
    frames, maps = places.maps(network, channels)
    return keras.Model(frames, keras.ops.concatenate([aligned(each, places.cells) for each in maps], axis=-1))
