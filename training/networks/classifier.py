"""The classifier: a model from raw frames to scores that includes its preprocessing, so the worker needs none."""

from collections.abc import Callable, Sequence
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
_MAPS_SAMPLED = 256


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier as several models that share their layers.

    whole: maps frames, uint8 [n, h, w, c], to scores, float32 [n, labels]. features: its first part, which maps frames
    to features, float32 [n, f], or to the feature map [n, h, w, c] for the dense head. fit_whole, fit_scorer: the
    models that are compiled and fitted, on frames and on features; for the dense head they also take cell targets as
    input. first: the layer that reads the features. cell_targets: function from annotation rasters to cell targets;
    None for a head that does not classify cells.
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
    outputs: OutputSpec,
    dropout: float,
    frozen: bool,
    head: Head = "gap",
    channels: int = 3,
) -> Classifier:
    """Build a classifier: cast to float, preprocessing of the network, backbone, and head.

    channels: of the frames; 1 for grey. Raises SettingsError if the feature map of the backbone is too small for the
    head.
    """
    parts = find_head(head, backbone.output_shape[1:3])
    backbone.trainable = not frozen
    if not frozen:
        _speed_up_batch_norm(backbone)
    frames, pixels = frames_to_network(network, backbone.input_shape[1:3], channels)
    features = parts.pool(backbone(pixels))
    scores, logits = parts.score(features, outputs, dropout)
    whole = keras.Model(frames, scores)
    fit_whole, fit_scorer, targets = whole, keras.Model(features, scores), None
    if logits is not None:
        marked = keras.Input(logits.shape[1:], name="marked")
        with_loss = CellLoss(outputs.task)(scores, logits, marked)
        fit_whole, fit_scorer = keras.Model([frames, marked], with_loss), keras.Model([features, marked], with_loss)
        grid = cell_grid(backbone)
        targets = cell_targets(logits.shape[1:3], grid, outputs.labels, outputs.task, outputs.clean_at)
    first = whole.get_layer(parts.input_layer)
    return Classifier(backbone, whole, keras.Model(frames, features), fit_whole, fit_scorer, first, targets)


def frames_to_network(network: Network, size: tuple[int, int], channels: int) -> tuple[Any, Any]:
    """Return an input for frames, uint8 [n, h, w, channels], and the preprocessed frames, float32 [n, h, w, 3]."""
    frames = keras.Input((*size, channels), dtype="uint8", name="frames")
    return frames, network.preprocess(_as_rgb(keras.ops.cast(frames, "float32")))


def _as_rgb(pixels: Any) -> Any:
    """Repeat a grey channel three times, as a grey file decodes in colour, so that any network and weights accept it.

    The conversion to ONNX sums the first kernels over their channels instead, where preprocessing treats these alike.
    """
    return keras.ops.concatenate([pixels] * 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def on_scaled_features(classifier: Classifier, scale: "FeatureScale") -> keras.Model:
    """Return fit_whole with scaled features, for a fit of the head on frames that differ in each epoch.

    The model shares its layers with the classifier, and the scale has no weights.
    """
    (frames,), (_, *marked) = classifier.whole.inputs, classifier.fit_scorer.inputs
    with classifier.fit_whole.distribute_strategy.scope():
        scaled = scale.apply(keras.ops.cast(classifier.features(frames), "float32"))
        scores = classifier.fit_scorer([scaled, *marked] if marked else scaled)
        return keras.Model([frames, *marked] if marked else frames, scores)


@dataclass(frozen=True, slots=True)
class FeatureScale:
    """Scaling of features to mean 0 and, by one common factor for each feature map, deviation 1.

    It makes one learning rate suitable for all backbones. Features of a map keep their means, because a convolution
    over them pads with 0, which would change its meaning. The scale is folded into the first layer of the head after
    the fit, so the saved model does not contain it. Separate factors for each feature would amplify features that
    hardly vary: on MobileNet 1.0 rounding errors grew by a factor of 200 without a gain in accuracy. mean: [c]; None
    keeps the means. deviation: [c], the factor of the map that a feature comes from; or one number.
    """

    mean: Features | None
    deviation: Features

    @classmethod
    def of(cls, features: Features, widths: Sequence[int] = ()) -> "FeatureScale":
        """Return the scale of these features, [n, c] or a map [n, h, w, c].

        widths: number of features of each feature map that they come from; by default all come from one.
        """
        mean = features.mean(axis=0) if features.ndim == 2 else None
        if mean is None:  # a sample of the maps is enough
            features = features[:: len(features) // _MAPS_SAMPLED + 1].reshape(-1, features.shape[-1])
        maps = np.split(features.var(axis=0), np.cumsum(widths)[:-1]) if widths else [features.var(axis=0)]
        factors = [np.full(len(each), np.sqrt(each.mean()) or 1.0, np.float32) for each in maps]
        return cls(mean, np.concatenate(factors))

    @classmethod
    def none(cls) -> "FeatureScale":
        """Return a scale that leaves features unchanged."""
        return cls(None, np.ones((), np.float32))

    def apply(self, features: Any) -> Any:
        """Return scaled features, of an array or of a symbolic tensor."""
        return (features if self.mean is None else features - self.mean) / self.deviation

    def fold(self, kernel: Features, bias: Features) -> tuple[Features, Features]:
        """Return weights for raw features that are equivalent to `kernel` and `bias` for scaled features.

        kernel: [..., c, units]. bias: [units].
        """
        folded = kernel / self.deviation[..., None]
        return folded, bias if self.mean is None else bias - self.mean @ folded


def find_start(backbone: keras.Model, start: str) -> int:
    """Return the index of the layer at which fine-tuning starts; by default after two thirds of the layers.

    start: name of the layer, or "" for the default. Raises SettingsError if the layer does not exist.
    """
    names = [layer.name for layer in backbone.layers]
    if not start:
        return len(names) * 2 // 3
    if start not in names:
        raise SettingsError(f"--fine-tune-from {start}: the backbone has no such layer; its last layer is {names[-1]}")
    return names.index(start)


def thaw(backbone: keras.Model, start: str) -> None:
    """Make the layers from find_start on trainable, except batch normalization, which keeps its weights and statistics.

    Updating the statistics would invalidate the pretrained weights (https://keras.io/guides/transfer_learning/).
    """
    first = find_start(backbone, start)
    backbone.trainable = True
    for at, layer in enumerate(backbone.layers):
        layer.trainable = at >= first and not isinstance(layer, keras.layers.BatchNormalization)


def _speed_up_batch_norm(backbone: keras.Model) -> None:
    """Lower the momentum of batch normalization: Keras's 0.99 needs hundreds of steps per epoch, plants have dozens.

    Measured on NEU with 39 steps per epoch: validation accuracy after ten epochs 0.17 with 0.99, and 0.90 with 0.9.
    """
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _BATCH_NORM_MOMENTUM
