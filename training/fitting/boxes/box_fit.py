"""Fit of the two layers that predict a box for each cell, on the features of cells in annotated boxes.

The layers are fitted after the head, with the features as they are. Heatmaps and scores therefore do not change.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stripwatch.export.runs.cell_boxes import EXPONENT_MAX, Array, BoxRegressor
from stripwatch.worker.model.boxes.cell_boxes import VALUES

_HIDDEN = 128
_DROPOUT_IN, _DROPOUT = 0.15, 0.3
_BATCH = 512
_EPOCHS = 20
_STEPS_MIN, _STEPS_MAX = 400, 4000
_LEARNING_RATE, _WEIGHT_DECAY = 0.003, 0.01
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class BoxSamples:
    """Cells in annotated boxes, one row each.

    features: of the cells, [m, c]. centres: across and down, [m, 2]. edges: left, top, right and bottom of the
    annotated box, [m, 4]. Both are in pixels of the model input. labels: index of the label of the box, [m]. weights:
    [m].
    """

    features: Array
    centres: Array
    edges: Array
    labels: NDArray[np.intp]
    weights: Array

    @property
    def distances(self) -> Array:
        """Return the distances from the centre to the left, top, right and bottom edge, [m, 4]."""
        return np.concatenate([self.centres - self.edges[:, :2], self.edges[:, 2:] - self.centres], axis=1)


def fit_regressor(samples: BoxSamples, labels: int, step_px: tuple[float, float], seed: int) -> BoxRegressor:
    """Fit the regressor. labels: their number. step_px: distance of the cells, down and across.

    The loss of a box is 1 - GIoU (Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630). The quality learns the
    overlap that the predicted box has with the annotated one.
    """
    mean = samples.features.mean(axis=0)
    scale = np.float32(np.sqrt(samples.features.var(axis=0).mean()) or 1.0)
    steps = np.array([step_px[1], step_px[0]] * 2, np.float32)
    network = _network(samples, labels, steps, seed)
    _train(network, _Step(labels, steps), samples, (mean, scale), seed)
    hidden_kernel, hidden_bias, kernel, bias = (np.asarray(each, np.float32) for each in network.get_weights())
    folded = hidden_kernel / scale
    return BoxRegressor(folded, hidden_bias - mean @ folded, kernel, bias)


def _network(samples: BoxSamples, labels: int, steps: Array, seed: int) -> keras.Model:
    usual = np.log(np.maximum(np.median(samples.distances / steps, axis=0), 0.5))
    bias = np.tile(np.append(usual, 0.0).astype(np.float32), labels)
    layers = keras.layers
    inputs = keras.Input((samples.features.shape[1],), dtype="float32")
    kept = layers.Dropout(_DROPOUT_IN, seed=seed, dtype="float32")(inputs)
    initial = keras.initializers.GlorotUniform(seed)
    hidden = layers.Dense(_HIDDEN, activation="relu", kernel_initializer=initial, dtype="float32")(kept)
    hidden = layers.Dropout(_DROPOUT, seed=seed + 1, dtype="float32")(hidden)
    initial = keras.initializers.GlorotUniform(seed + 1)
    values = layers.Dense(VALUES * labels, kernel_initializer=initial, dtype="float32")(hidden)
    network = keras.Model(inputs, values)
    network.layers[-1].bias.assign(bias)
    return network


@dataclass(frozen=True, slots=True)
class _Step:
    """The loss of a batch."""

    labels: int
    steps: Array

    def loss(self, values: Any, centres: Any, edges: Any, labels: Any, weights: Any) -> Any:
        own = tf.gather(tf.reshape(values, (-1, self.labels, VALUES)), labels, batch_dims=1)
        distances = tf.exp(tf.clip_by_value(own[:, :4], -EXPONENT_MAX, EXPONENT_MAX)) * self.steps
        predicted = tf.concat([centres - distances[:, :2], centres + distances[:, 2:]], axis=1)
        overlap, giou = _overlaps(predicted, edges)
        quality = tf.nn.sigmoid_cross_entropy_with_logits(tf.stop_gradient(overlap), own[:, 4])
        return tf.reduce_sum(weights * (1 - giou + quality)) / tf.reduce_sum(weights)


def _overlaps(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the intersection over union of pairs of boxes, and its generalization GIoU, [m] each."""

    def area(low: Any, high: Any) -> Any:
        return tf.reduce_prod(tf.maximum(high - low, 0), axis=1)

    both = area(tf.maximum(a[:, :2], b[:, :2]), tf.minimum(a[:, 2:], b[:, 2:]))
    union = area(a[:, :2], a[:, 2:]) + area(b[:, :2], b[:, 2:]) - both + _TINY
    around = area(tf.minimum(a[:, :2], b[:, :2]), tf.maximum(a[:, 2:], b[:, 2:])) + _TINY
    return both / union, both / union - (around - union) / around


def _train(network: keras.Model, step: _Step, samples: BoxSamples, scale: tuple[Any, Any], seed: int) -> None:
    rows = len(samples.features)
    batch = min(_BATCH, rows)
    per_epoch = rows // batch
    steps = int(np.clip(_EPOCHS * per_epoch, _STEPS_MIN, _STEPS_MAX))
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY)
    optimizer.build(network.trainable_variables)
    mean, deviation = scale

    @tf.function  # type: ignore[untyped-decorator]  # tensorflow has no types
    def update(features: Any, *targets: Any) -> None:
        with tf.GradientTape() as tape:
            loss = step.loss(network((features - mean) / deviation, training=True), *targets)
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    rng = np.random.default_rng(seed)
    arrays = (samples.features, samples.centres, samples.edges, samples.labels.astype(np.int32), samples.weights)
    order = rng.permutation(rows)
    for number in range(steps):
        at = number % per_epoch
        if at == 0:
            order = rng.permutation(rows)
        picked = order[at * batch : (at + 1) * batch]
        update(*(tf.constant(each[picked]) for each in arrays))
