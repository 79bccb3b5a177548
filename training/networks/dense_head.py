"""The `dense` head: a classifier for each cell of the feature map, whose outputs are pooled to image scores.

The loss is the sum of an image loss and a cell loss, the latter for cells whose labels are known from boxes or masks.
One forward pass therefore gives both the labels and their locations.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from stripwatch.export.runs.run_folder import Task
from stripwatch.training.annotations.annotations import UNKNOWN
from stripwatch.worker.model.bundle import CellGrid

_HIDDEN = 128
_KERNEL_CELLS = 3  # the texture next to a cell shows where a defect ends
_COVERED_MIN = 0.5
_UNKNOWN_TARGET = -1.0


def cell_classes(labels: int, task: Task, clean_at: int | None) -> int:
    """Return the number of classes of a cell. In multiclass one class is "no defect here": the clean label, if any."""
    return labels + 1 if task == "multiclass" and clean_at is None else labels


def score_cells(features: Any, labels: int, task: Task, clean_at: int | None, dropout: float) -> tuple[Any, Any]:
    """Return scores [n, labels], and the logits [n, h, w, classes] of the layer "places", for a map [n, h, w, c].

    The logits of the cells are pooled by log-mean-exp, a soft maximum, so that one confident cell outweighs many
    uncertain ones (Pinheiro and Collobert 2015, https://arxiv.org/abs/1411.6228). In multiclass the logit of "no defect
    here" is first subtracted from the logits of each cell, so the clean label has logit 0.
    """
    kept = keras.layers.SpatialDropout2D(dropout)(features)
    hidden = keras.layers.Conv2D(_HIDDEN, _KERNEL_CELLS, padding="same", activation="relu", name="hidden")(kept)
    hidden = keras.layers.Dropout(dropout)(hidden)
    logits = keras.layers.Conv2D(cell_classes(labels, task, clean_at), 1, name="places", dtype="float32")(hidden)
    evidence = logits
    if task == "multiclass":
        nothing = labels if clean_at is None else clean_at
        evidence = logits[..., :labels] - logits[..., nothing : nothing + 1]
    peak = keras.ops.max(evidence, axis=(1, 2), keepdims=True)  # subtracted to prevent overflow
    means = keras.ops.mean(keras.ops.exp(evidence - peak), axis=(1, 2))
    pooled = keras.ops.log(means) + keras.ops.squeeze(peak, (1, 2))
    activation = "softmax" if task == "multiclass" else "sigmoid"
    return keras.layers.Activation(activation, name="scores", dtype="float32")(pooled), logits


class CellLoss(keras.layers.Layer):  # type: ignore[misc]  # keras has no types
    """Layer that returns the scores unchanged and adds the cell loss to the loss of the model.

    Inputs: scores [n, labels], logits [n, h, w, classes], and targets from cell_targets, of the same shape as logits.
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
    cells: tuple[int, int], grid: CellGrid, labels: int, task: Task, clean_at: int | None
) -> Callable[[Any], Any]:
    """Return a function from rasters, uint8 [n, height, width, labels], to cell targets, float32 [n, h, w, classes].

    A cell has a label if annotations of that label cover at least half of it. If no cell is covered that far, the cells
    covered most have it. In multiclass exactly one class is 1; of overlapping labels it is the one with the smaller
    area. All targets are -1 for an image that was not annotated. cells: height and width of the map.
    """
    classes = cell_classes(labels, task, clean_at)
    nothing = labels if clean_at is None else clean_at

    def targets(rasters: Any) -> Any:
        unknown = tf.reduce_any(rasters == UNKNOWN, axis=[1, 2, 3], keepdims=True)
        inside = tf.cast(rasters == 1, tf.float32)
        covered = _cell_means(inside, cells, grid)
        most = tf.reduce_max(covered, axis=[1, 2], keepdims=True)
        present = (covered >= tf.minimum(most, _COVERED_MIN)) & (covered > 0)
        if task == "multiclass":
            area = tf.reduce_mean(inside, axis=[1, 2], keepdims=True)
            weight = tf.where(present, 1 / (area + 1e-6), 0.0)
            best = tf.where(tf.reduce_any(present, axis=-1), tf.argmax(weight, axis=-1, output_type=tf.int32), nothing)
            found = tf.one_hot(best, classes)
        else:
            found = tf.cast(present, tf.float32)
        return tf.where(unknown, _UNKNOWN_TARGET, found)

    return targets


def _cell_means(inside: Any, cells: tuple[int, int], grid: CellGrid) -> Any:
    """Return the mean over each cell, [n, h, w, labels]. A cell extends half a step from its centre to every side.

    Pixels outside the image count as 0.
    """
    steps = [max(1, round(step)) for step in grid.step_px]
    begins = [round(first - (step - 1) / 2) for first, step in zip(grid.first_px, steps, strict=True)]
    ends = [begin + step * count for begin, step, count in zip(begins, steps, cells, strict=True)]
    before = [max(0, -begin) for begin in begins]
    after = [max(0, end - size) for end, size in zip(ends, inside.shape[1:3], strict=True)]
    padded = tf.pad(inside, [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]])
    (top, left), (bottom, right) = [
        [edge + pad for edge, pad in zip(edges, before, strict=True)] for edges in (begins, ends)
    ]
    return tf.nn.avg_pool2d(padded[:, top:bottom, left:right], steps, steps, "VALID")
