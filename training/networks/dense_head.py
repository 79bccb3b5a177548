"""The `dense` head: a classifier at each place of the map, whose answers are pooled to the score of the image.

Two losses are added up: of the image, and of each place, where boxes or masks say what is there. So one forward pass
says what and where.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from stripwatch.export.runs.run_folder import Task
from stripwatch.training.annotations.annotations import UNKNOWN
from stripwatch.worker.model.bundle import CellGrid

_HIDDEN = 128
_REACH = 3  # places: the texture beside a place tells where a defect ends
_COVERED_MIN = 0.5
_NOBODY_KNOWS = -1.0


def cell_classes(labels: int, task: Task, clean_at: int | None) -> int:
    """How many answers there are at a place. In multiclass "no defect here" is one: the clean label, if it exists."""
    return labels + 1 if task == "multiclass" and clean_at is None else labels


def score_cells(features: Any, labels: int, task: Task, clean_at: int | None, dropout: float) -> tuple[Any, Any]:
    """From a map [n, h, w, c]: scores [n, labels], and logits [n, h, w, classes] of the layer "places".

    An image's logit is that of its places by log-mean-exp, a soft maximum: one place that is sure outweighs many that
    are not (Pinheiro and Collobert 2015, https://arxiv.org/abs/1411.6228). In multiclass a place's logit counts from
    that of "no defect here", so the clean label itself has logit 0.
    """
    kept = keras.layers.SpatialDropout2D(dropout)(features)
    hidden = keras.layers.Conv2D(_HIDDEN, _REACH, padding="same", activation="relu", name="hidden")(kept)
    hidden = keras.layers.Dropout(dropout)(hidden)
    logits = keras.layers.Conv2D(cell_classes(labels, task, clean_at), 1, name="places", dtype="float32")(hidden)
    told = logits
    if task == "multiclass":
        nothing = labels if clean_at is None else clean_at
        told = logits[..., :labels] - logits[..., nothing : nothing + 1]
    peak = keras.ops.max(told, axis=(1, 2), keepdims=True)  # taken out, so that no exponent overflows
    pooled = keras.ops.log(keras.ops.mean(keras.ops.exp(told - peak), axis=(1, 2))) + keras.ops.squeeze(peak, (1, 2))
    activation = "softmax" if task == "multiclass" else "sigmoid"
    return keras.layers.Activation(activation, name="scores", dtype="float32")(pooled), logits


class CellLoss(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """Passes the scores through, and adds the loss of the places to the model's.

    Takes scores, logits [n, h, w, classes] and targets of the same shape as cell_targets makes them.
    """

    def __init__(self, task: Task) -> None:
        super().__init__(dtype="float32")
        self._task = task

    def call(self, scores: Any, logits: Any, targets: Any) -> Any:
        known = keras.ops.cast(targets[..., 0] >= 0, "float32")
        if self._task == "multiclass":
            loss = keras.losses.categorical_crossentropy(keras.ops.maximum(targets, 0), logits, from_logits=True)
        else:
            loss = keras.losses.binary_crossentropy(keras.ops.maximum(targets, 0), logits, from_logits=True)
        self.add_loss(keras.ops.sum(loss * known) / keras.ops.maximum(keras.ops.sum(known), 1.0))
        return scores


def cell_targets(
    places: tuple[int, int], grid: CellGrid, labels: int, task: Task, clean_at: int | None
) -> Callable[[Any], Any]:
    """The function from rasters, uint8 [n, height, width, labels], to place targets, float32 [n, h, w, classes].

    A place has a label where marks cover half of its cell; of a mark that covers no cell so far, the places it covers
    most. In multiclass exactly one class is 1, and of labels that overlap the one with the smaller area. All are -1 in
    an image nobody has marked.
    """
    classes = cell_classes(labels, task, clean_at)
    nothing = labels if clean_at is None else clean_at

    def targets(rasters: Any) -> Any:
        unknown = tf.reduce_any(rasters == UNKNOWN, axis=[1, 2, 3], keepdims=True)
        inside = tf.cast(rasters == 1, tf.float32)
        covered = _cell_means(inside, places, grid)
        most = tf.reduce_max(covered, axis=[1, 2], keepdims=True)
        there = (covered >= tf.minimum(most, _COVERED_MIN)) & (covered > 0)
        if task == "multiclass":
            area = tf.reduce_mean(inside, axis=[1, 2], keepdims=True)
            weight = tf.where(there, 1 / (area + 1e-6), 0.0)
            best = tf.where(tf.reduce_any(there, axis=-1), tf.argmax(weight, axis=-1, output_type=tf.int32), nothing)
            found = tf.one_hot(best, classes)
        else:
            found = tf.cast(there, tf.float32)
        return tf.where(unknown, _NOBODY_KNOWS, found)

    return targets


def _cell_means(inside: Any, places: tuple[int, int], grid: CellGrid) -> Any:
    """The mean over each place's cell, which reaches half a step to every side: [n, h, w, labels].

    What lies outside the image counts as empty.
    """
    steps = [max(1, round(step)) for step in grid.step_px]
    begins = [round(first - (step - 1) / 2) for first, step in zip(grid.first_px, steps, strict=True)]
    ends = [begin + step * count for begin, step, count in zip(begins, steps, places, strict=True)]
    before = [max(0, -begin) for begin in begins]
    after = [max(0, end - size) for end, size in zip(ends, inside.shape[1:3], strict=True)]
    padded = tf.pad(inside, [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]])
    (top, left), (bottom, right) = [
        [edge + pad for edge, pad in zip(edges, before, strict=True)] for edges in (begins, ends)
    ]
    return tf.nn.avg_pool2d(padded[:, top:bottom, left:right], steps, steps, "VALID")
