"""The model that is trained: raw frames in, scores out. Preprocessing is inside, so the line cannot get it wrong."""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from export.runfolder import Head, Task
from training.heads import activation_of, apply, find_head
from training.networks import Network
from worker.errors import SettingsError

Features = NDArray[np.float32]
_BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class Classifier:
    """Three views on the same layers.

    whole: uint8 [n, h, w, 3] -> float32 [n, labels], by way of features: -> float32 [n, f]. scorer: the fitted part,
    float32 [n, f] -> float32 [n, labels]; first is its dense layer that reads the features.
    """

    backbone: keras.Model

    whole: keras.Model
    features: keras.Model
    scorer: keras.Model
    first: keras.layers.Dense


def build_classifier(
    network: Network,
    backbone: keras.Model,
    labels: int,
    dropout: float,
    frozen: bool,
    head: Head = "gap",
    task: Task = "multiclass",
) -> Classifier:
    """Cast, the network's own preprocessing, the backbone, and the head.

    Raises SettingsError where the backbone's map is too small for the head.
    """
    parts = find_head(head, backbone.output_shape[1:3])
    backbone.trainable = not frozen
    if not frozen:
        _quicken_batch_norm(backbone)
    frames = keras.Input(backbone.input_shape[1:], dtype="uint8", name="frames")
    places = backbone(network.preprocess(keras.ops.cast(frames, "float32")))
    features = apply(parts.pool(), places)
    scores = apply(parts.score(labels, dropout, activation_of(task)), features)
    whole, scorer = keras.Model(frames, scores), keras.Model(features, scores)
    return Classifier(backbone, whole, keras.Model(frames, features), scorer, whole.get_layer(parts.first))


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Brings each feature to mean 0, and all by one factor to deviation 1: one learning rate suits every backbone.

    It is folded into the dense layer afterwards: the model that is kept has no trace of it. A factor for each feature
    would blow up those that hardly vary: on MobileNet 1.0 rounding errors grew by 200, with no gain in accuracy.
    mean: [c].
    """

    mean: Features
    deviation: float

    @classmethod
    def of(cls, features: Features) -> "FeatureScale":
        deviation = float(np.sqrt(features.var(axis=0).mean()))
        return cls(features.mean(axis=0), deviation or 1.0)

    @classmethod
    def none(cls, features: Features) -> "FeatureScale":
        """Leaves them as they are."""
        return cls(np.zeros(features.shape[1], np.float32), 1.0)

    def apply(self, features: Features) -> Features:
        return (features - self.mean) / self.deviation

    def fold(self, kernel: Features, bias: Features) -> tuple[Features, Features]:
        """Weights that give on raw features what kernel [c, units] and bias [units] give on scaled ones."""
        folded = kernel / self.deviation
        return folded, bias - self.mean @ folded


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
