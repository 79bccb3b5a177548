"""Pooled features of all cuts of a backbone, computed in one pass over all frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from stripwatch.export.runs.relative_distance import Array
from stripwatch.training.frontier.measure.cuts import Cut, find_cuts
from stripwatch.training.frontier.plan.candidates import Pass
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import frames_to_network
from stripwatch.training.networks.joined_maps import earlier_maps, pooled_range
from stripwatch.training.networks.several_maps import SEVERAL_MAPS
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import Subset
from stripwatch.worker.images.decode_spec import DecodeSpec

_BATCH = 32


@dataclass(frozen=True, slots=True)
class CutFeatures:
    """Pooled features of all cuts of a backbone, those that the head `gap` of `fit` reads by default.

    Cuts share maps, so each pooled map is kept once. pooled: float32 [n, c] by name. names: of the pooled maps of each
    cut, by its layer: its own map first, then the earlier ones, if the head reads several.
    """

    pooled: dict[str, Array]
    names: dict[str, list[str]]

    def of(self, cut: Cut) -> Array:
        """Return the features of a cut, float32 [n, f]."""
        return np.concatenate([self.pooled[name] for name in self.names[cut.layer]], axis=1)

    def widths(self, cut: Cut) -> list[int]:
        """Return the number of features of each map of a cut."""
        return [self.pooled[name].shape[1] for name in self.names[cut.layer]]


@dataclass(frozen=True, slots=True)
class CutPooling:
    """A model from frames to the pooled maps of all cuts, by name. names: as in CutFeatures."""

    cuts: Sequence[Cut]
    names: dict[str, list[str]]
    model: keras.Model


def build_for(source: Pass) -> keras.Model:
    """Return the backbone of a pass with its weights. Raises what build_backbone raises."""
    choice = source.choice
    keras.backend.clear_session()  # frees the network before, and names layers as in a new process
    return build_backbone(find_network(choice.network), (*source.size, 3), choice.alpha, choice.weights, choice.cut)


def pool_cuts(source: Pass, backbone: keras.Model, channels: int) -> CutPooling:
    """Return the cuts of a backbone and their pooling, which is that of the head `gap`.

    channels: of the frames; 1 for grey.
    """
    cuts = find_cuts(backbone, source.choice.cut)
    pooled: dict[str, Any] = {}
    names = {}
    for cut in cuts:
        part = keras.Model(backbone.inputs, backbone.get_layer(cut.layer).output)
        means = _means(part, several=source.choice.network in SEVERAL_MAPS)
        pooled |= means
        names[cut.layer] = list(means)
    outputs = keras.Model(backbone.inputs, pooled)
    frames, pixels = frames_to_network(find_network(source.choice.network), source.size, channels)
    return CutPooling(cuts, names, keras.Model(frames, outputs(pixels)))


def _means(backbone: keras.Model, several: bool) -> dict[str, Any]:
    """Return the mean of the backbone's own map, and those of earlier maps over the cells that are joined to it."""
    means = {}
    size = backbone.output.shape[1:3]
    earlier = earlier_maps(backbone, choose_taps(backbone).names) if several else []
    for cells in [backbone.output, *earlier]:
        rows, columns = (pooled_range(*each) for each in zip(cells.shape[1:3], size, strict=True))
        name = f"{cells._keras_history[0].name} {rows} {columns}"
        means[name] = keras.ops.mean(cells[:, slice(*rows), slice(*columns)], axis=(1, 2))
    return means


def compute_features(
    pooling: CutPooling, part: Subset, spec: DecodeSpec, on_frames: Callable[[int], None]
) -> CutFeatures:
    """Return the features of all frames. on_frames: called after each batch with its number of frames."""
    rows: list[dict[str, Array]] = []
    for batch, _ in read_batches(part, spec, _BATCH):
        rows.append(pooling.model.predict_on_batch(batch))
        on_frames(len(batch))
    pooled = {name: np.concatenate([row[name] for row in rows]).astype(np.float32) for name in rows[0]}
    return CutFeatures(pooled, pooling.names)
