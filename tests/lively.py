"""Random weights with varying outputs: a freshly initialized deep network gives all frames nearly the same scores."""

from typing import Any

import keras
import numpy as np

from stripwatch.export.runs.run_folder import Head, Task
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import build_classifier
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.worker.images.decode_spec import Pixels

LABELS = 3


def enliven(model: keras.Model, frames: Any) -> None:
    """Set the statistics of every batch normalization to those of these frames, as training would."""
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.trainable, norm.momentum = True, 0.0
    model(frames, training=True)


def frames_of(side_px: int, count: int = 16) -> Pixels:
    """Return frames of coarse noise with different contrast and brightness, which a network can tell apart."""
    rng = np.random.default_rng(2)
    coarse = rng.normal(0, 1, (count, side_px // 8, side_px // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    contrast, brightness = rng.uniform(10, 60, (count, 1, 1, 1)), rng.uniform(60, 190, (count, 1, 1, 3))
    return np.asarray((coarse * contrast + brightness).clip(0, 255), np.uint8)


def lively_classifier(
    name: str, frames: Pixels, head: Head, task: Task, cut: str = "", alpha: float = 1.0
) -> keras.Model:
    """Return a classifier whose logits vary between frames with a standard deviation of about 0.5."""
    keras.utils.set_random_seed(4)  # seed of the weights
    network = find_network(name)
    backbone = build_backbone(network, frames.shape[1:], alpha, "none", cut)
    classifier = build_classifier(network, backbone, OutputSpec(LABELS, task), 0.2, frozen=True, head=head)
    enliven(classifier.whole, frames)
    if head == "dense":
        spread_places(classifier.whole, frames)
        return classifier.whole
    features = classifier.features.predict(frames, verbose=0)
    width = classifier.first.kernel.shape[1]
    spread = np.linalg.norm(features - features.mean(0), axis=1).mean()
    kernel = np.random.default_rng(3).normal(0, 0.5 / spread, (features.shape[1], width))
    classifier.first.set_weights([kernel, -features.mean(0) @ kernel])
    return classifier.whole


def spread_places(model: keras.Model, frames: Pixels) -> None:
    """Scale the weights so that the mean logits of a frame vary with a standard deviation of 0.5 between frames.

    The weights follow the directions in which the features vary most, because others would amplify rounding errors.
    """
    layer = model.get_layer("places")
    features = keras.Model(model.inputs, layer.input).predict(frames, verbose=0).mean(axis=(1, 2))
    _, deviations, directions = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    classes = layer.bias.shape[0]
    kernel = directions[:classes].T * 0.5 * np.sqrt(len(frames)) / deviations[:classes]
    layer.set_weights([kernel[None, None], -features.mean(axis=0) @ kernel])
