"""The model that is trained: raw frames in, scores out. Preprocessing is inside, so the line cannot get it wrong."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Head
from stripwatch.training.networks.catalog import Network
from stripwatch.training.networks.dense_head import CellLoss, cell_targets
from stripwatch.training.networks.heads import OutputSpec, find_head
from stripwatch.training.networks.receptive_field import cell_grid
from stripwatch.worker.common.errors import SettingsError

Features = NDArray[np.float32]
_BATCH_NORM_MOMENTUM = 0.9
_MAPS_LOOKED_AT = 256


@dataclass(frozen=True, slots=True)
class Classifier:
    """Views on the same layers.

    whole: uint8 [n, h, w, c] -> float32 [n, labels], by way of features: -> float32 [n, f], or the map [n, h, w, c] of
    the dense head. fit_whole, fit_scorer: what is compiled and fitted, from frames or from features; for the dense head
    they take the targets of the places as well. first is the layer that reads the features. cell_targets: from rasters
    of marks to the targets of the places; None for a head that does not judge places.
    """

    backbone: keras.Model
    whole: keras.Model
    features: keras.Model
    fit_whole: keras.Model
    fit_scorer: keras.Model
    first: keras.layers.Layer
    cell_targets: Callable[[Any], Any] | None


def build_classifier(
    network: Network,
    backbone: keras.Model,
    answers: OutputSpec,
    dropout: float,
    frozen: bool,
    head: Head = "gap",
    channels: int = 3,
) -> Classifier:
    """Cast, the network's own preprocessing, the backbone, and the head. channels: of the frames; 1 is grey.

    Raises SettingsError where the backbone's map is too small for the head.
    """
    parts = find_head(head, backbone.output_shape[1:3])
    backbone.trainable = not frozen
    if not frozen:
        _quicken_batch_norm(backbone)
    frames = keras.Input((*backbone.input_shape[1:3], channels), dtype="uint8", name="frames")
    features = parts.pool(backbone(network.preprocess(_as_rgb(keras.ops.cast(frames, "float32")))))
    scores, logits = parts.score(features, answers, dropout)
    whole = keras.Model(frames, scores)
    fit_whole, fit_scorer, targets = whole, keras.Model(features, scores), None
    if logits is not None:
        marked = keras.Input(logits.shape[1:], name="marked")
        judged = CellLoss(answers.task)(scores, logits, marked)
        fit_whole, fit_scorer = keras.Model([frames, marked], judged), keras.Model([features, marked], judged)
        grid = cell_grid(backbone)
        targets = cell_targets(logits.shape[1:3], grid, answers.labels, answers.task, answers.clean_at)
    first = whole.get_layer(parts.input_layer)
    return Classifier(backbone, whole, keras.Model(frames, features), fit_whole, fit_scorer, first, targets)


def _as_rgb(pixels: Any) -> Any:
    """Grey three times over, which is what a grey file decodes to in colour: any network and weights can take it.

    Summing the first kernels over their channels would save little, and be wrong where preprocessing tells the channels
    apart before the first padding, as VGG's does.
    """
    return keras.ops.concatenate([pixels] * 3, axis=-1) if pixels.shape[-1] == 1 else pixels


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Brings each feature to mean 0, and all by one factor to deviation 1: one learning rate suits every backbone.

    The features of a map keep their means: a convolution over them pads with 0, which would then mean something else.
    It is folded into the dense layer afterwards: the model that is kept has no trace of it. A factor for each feature
    would blow up those that hardly vary: on MobileNet 1.0 rounding errors grew by 200, with no gain in accuracy.
    mean: [c]; None leaves the means as they are.
    """

    mean: Features | None
    deviation: float

    @classmethod
    def of(cls, features: Features) -> "FeatureScale":
        """features: [n, c], or a map [n, h, w, c]."""
        mean = features.mean(axis=0) if features.ndim == 2 else None
        if mean is None:  # some maps tell what all do
            features = features[:: len(features) // _MAPS_LOOKED_AT + 1].reshape(-1, features.shape[-1])
        return cls(mean, float(np.sqrt(features.var(axis=0).mean())) or 1.0)

    @classmethod
    def none(cls) -> "FeatureScale":
        """Leaves them as they are."""
        return cls(None, 1.0)

    def apply(self, features: Features) -> Features:
        return (features if self.mean is None else features - self.mean) / np.float32(self.deviation)

    def fold(self, kernel: Features, bias: Features) -> tuple[Features, Features]:
        """Weights that give on raw features what kernel [..., c, units] and bias [units] give on scaled ones."""
        folded = kernel / self.deviation
        return folded, bias if self.mean is None else bias - self.mean @ folded


def find_start(backbone: keras.Model, start: str) -> int:
    """The position of the layer that fine-tuning starts at: the one named, or two thirds of the way.

    Raises SettingsError where there is no such layer.
    """
    names = [layer.name for layer in backbone.layers]
    if not start:
        return len(names) * 2 // 3
    if start not in names:
        raise SettingsError(f"--fine-tune-from {start}: the backbone has no such layer; its last one is {names[-1]}")
    return names.index(start)


def thaw(backbone: keras.Model, start: str) -> None:
    """Make the layers from find_start on trainable; batch normalisation keeps its statistics, and so its weights."""
    first = find_start(backbone, start)
    backbone.trainable = True
    for at, layer in enumerate(backbone.layers):
        layer.trainable = at >= first and not isinstance(layer, keras.layers.BatchNormalization)


def _quicken_batch_norm(backbone: keras.Model) -> None:
    """Keras's momentum of 0.99 needs hundreds of steps an epoch; plant sets give dozens.

    Measured on NEU, 39 steps an epoch: validation accuracy 0.17 after ten epochs with 0.99, 0.90 with 0.9.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
