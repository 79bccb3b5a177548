from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Task
from stripwatch.training.annotations.annotations import UNKNOWN, Raster
from stripwatch.training.networks.dense_head import CellLoss, cell_targets, score_cells
from stripwatch.worker.model.bundle import CellGrid

pytestmark = pytest.mark.training

GRID = CellGrid((3.5, 3.5), (8.0, 8.0))  # 4x5 cells over 32x40 pixels
CELLS = (4, 5)


def raster(*marks: tuple[int, slice, slice]) -> Raster:
    """Return the raster of one frame with two labels."""
    drawn = np.zeros((1, 32, 40, 2), np.uint8)
    for label, rows, columns in marks:
        drawn[0, rows, columns, label] = 1
    return drawn


def targets(rasters: Raster, task: Task = "multiclass", clean_at: int | None = None, **changes: Any) -> NDArray[Any]:
    arguments: dict[str, Any] = {"cells": CELLS, "grid": GRID} | changes
    make = cell_targets(arguments["cells"], arguments["grid"], 2, task, clean_at)
    found: NDArray[Any] = make(tf.constant(rasters)).numpy()
    return found


def test_a_cell_has_the_label_that_covers_half_of_it() -> None:
    found = targets(raster((0, slice(0, 16), slice(8, 20)), (1, slice(24, 32), slice(33, 40))))[0].argmax(-1)
    expected = np.full(CELLS, 2)
    expected[:2, 1:3] = 0  # one full cell and one half cell
    expected[3, 4] = 1
    np.testing.assert_array_equal(found, expected)


def test_a_small_annotation_labels_the_cell_it_covers_most() -> None:
    found = targets(raster((1, slice(9, 11), slice(6, 12))))[0]
    assert found[..., 1].sum() == 1
    assert found[1, 1, 1] == 1
    np.testing.assert_array_equal(found.sum(-1), 1)


def test_the_smaller_of_overlapping_labels_counts_and_both_in_multilabel() -> None:
    both = raster((0, slice(0, 32), slice(0, 40)), (1, slice(8, 16), slice(8, 16)))
    assert targets(both)[0].argmax(-1).tolist()[1] == [0, 1, 0, 0, 0]
    several = targets(both, "multilabel")[0]
    assert several.shape == (4, 5, 2)
    assert several[1, 1].tolist() == [1, 1]
    assert several[0, 0].tolist() == [1, 0]


def test_cells_outside_annotations_have_the_clean_label() -> None:
    found = targets(raster((1, slice(0, 8), slice(0, 8))), clean_at=0)[0]
    assert found.shape == (4, 5, 2)
    assert found.argmax(-1).sum() == 1
    assert found[0, 0].tolist() == [0, 1]


def test_targets_of_an_unannotated_image_are_unknown() -> None:
    rasters = np.concatenate([np.full_like(raster(), UNKNOWN), raster()])
    found = targets(rasters)
    assert (found[0] == -1).all()
    assert (found[1].argmax(-1) == 2).all()


def test_cells_may_extend_past_the_image_or_leave_its_rim_uncovered() -> None:
    rim = raster((0, slice(0, 32), slice(0, 3)))
    reaching = targets(rim, cells=(5, 6), grid=CellGrid((-0.5, -0.5), (8.0, 8.0)))[0]
    assert reaching.argmax(-1)[1:4, 0].tolist() == [0, 0, 0]
    assert (reaching.argmax(-1)[:, 1:] == 2).all()
    inner = targets(rim, cells=(3, 4), grid=CellGrid((7.5, 7.5), (8.0, 8.0)))[0]
    assert (inner.argmax(-1) == 2).all()


def scorer(task: Task, clean_at: int | None) -> keras.Model:
    keras.utils.set_random_seed(3)
    features = keras.Input((*CELLS, 6))
    return keras.Model(features, score_cells(features, 2, task, clean_at, 0.0))


@pytest.mark.parametrize(("task", "clean_at"), [("multiclass", None), ("multiclass", 1), ("multilabel", None)])
def test_the_image_score_is_the_soft_maximum_of_its_cells(task: Task, clean_at: int | None) -> None:
    model = scorer(task, clean_at)
    scores, logits = model.predict(np.random.default_rng(0).normal(0, 3, (3, *CELLS, 6)), verbose=0)
    assert logits.shape[-1] == (3 if task == "multiclass" and clean_at is None else 2)
    evidence = logits[..., :2]
    if task == "multiclass":
        evidence = evidence - logits[..., 2 if clean_at is None else clean_at][..., None]
    pooled = np.log(np.exp(evidence.astype(np.float64)).mean(axis=(1, 2)))
    if task == "multiclass":
        expected = np.exp(pooled) / np.exp(pooled).sum(axis=1, keepdims=True)
    else:
        expected = 1 / (1 + np.exp(-pooled))
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    if clean_at is not None:
        np.testing.assert_allclose(pooled[:, clean_at], 0, atol=1e-6)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_unknown_cells_have_no_loss(task: Task) -> None:
    layer = CellLoss(task)
    logits = tf.constant(np.random.default_rng(1).normal(0, 2, (2, *CELLS, 3)), tf.float32)
    one = np.zeros((2, *CELLS, 3), np.float32)
    one[..., 0] = 1

    def loss(marked: NDArray[np.float32]) -> float:
        scores = tf.zeros((2, 3))
        assert layer(scores, logits, tf.constant(marked)) is not None
        return float(layer.losses[-1])

    half = one.copy()
    half[1] = -1
    first = one.copy()
    first[1] = one[0]
    assert loss(np.full_like(one, -1)) == 0
    both, only_first = loss(one), loss(half)
    assert both > 0
    assert only_first > 0
    assert both != pytest.approx(only_first)
    expected = -np.log(1 / (1 + np.exp(-logits.numpy()[0]))) if task == "multilabel" else None
    if expected is None:
        powers = np.exp(logits.numpy()[0])
        assert only_first == pytest.approx(float(-np.log(powers[..., 0] / powers.sum(-1)).mean()), rel=1e-5)
    else:
        no = -np.log(1 - 1 / (1 + np.exp(-logits.numpy()[0])))
        assert only_first == pytest.approx(float((expected[..., 0] + no[..., 1] + no[..., 2]).mean() / 3), rel=1e-5)
