"""Input pipeline: files are decoded with the worker's own function and batched, in parallel with the network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from stripwatch.training.annotations.annotations import Raster, rasterise
from stripwatch.training.preparation.augment import augment_frames, augment_marked
from stripwatch.training.preparation.prepared_data import Subset
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

CellTargets = Callable[[Any], Any]


def read_batches(part: Subset, spec: DecodeSpec, batch: int, cells: CellTargets | None = None) -> tf.data.Dataset:
    """Return batches (frames, targets) in order. frames: uint8 [n, h, w, c], decoded by the spec; targets: [n, labels].

    cells: function from annotation rasters to cell targets; the batches are then ((frames, cell targets), targets).
    """
    batches = _decoded(tf.data.Dataset.range(len(part.files)), part, spec, cells is not None).batch(batch)
    return _with_cells(batches, cells).prefetch(2)


def shuffled_batches(
    part: Subset, spec: DecodeSpec, batch: int, seed: int, augment: bool, cells: CellTargets | None = None
) -> tf.data.Dataset:
    """Return the batches of read_batches in a new, seeded order in each epoch. augment: augment each frame."""
    count = len(part.files)
    shuffled = tf.data.Dataset.range(count).shuffle(count, seed=seed)
    batches = _decoded(shuffled, part, spec, cells is not None).batch(batch)
    if augment:
        change = augment_frames if cells is None else augment_marked
        # One thread keeps the order of the seeded random numbers.
        batches = batches.map(lambda frames, targets: (change(frames), targets))
    return _with_cells(batches, cells).prefetch(2)


def cell_batches(part: Subset, spec: DecodeSpec, batch: int, cells: CellTargets) -> tf.data.Dataset:
    """Return batches of cell targets only, in order, for frames whose features are already computed."""
    rasters = tf.data.Dataset.range(len(part.files)).map(_raster_loader(part, spec), tf.data.AUTOTUNE)
    return rasters.batch(batch).map(cells).prefetch(2)


def _decoded(order: tf.data.Dataset, part: Subset, spec: DecodeSpec, marked: bool) -> tf.data.Dataset:
    files, targets, raster = part.files, tf.constant(part.targets), _raster_loader(part, spec)

    def read(at: np.int64) -> Pixels:
        return decode(Path(files[at]).read_bytes(), spec).pixels

    def load(at: tf.Tensor) -> tuple[Any, tf.Tensor]:
        pixels = tf.ensure_shape(tf.numpy_function(read, [at], tf.uint8), spec.shape)
        return (pixels, raster(at)) if marked else pixels, targets[at]

    return order.map(load, num_parallel_calls=tf.data.AUTOTUNE)


def _raster_loader(part: Subset, spec: DecodeSpec) -> Callable[[tf.Tensor], tf.Tensor]:
    def draw(at: np.int64) -> Raster:
        return rasterise(part.annotations[at], part.labels, spec.height_px, spec.width_px)

    shape = (spec.height_px, spec.width_px, len(part.labels))
    return lambda at: tf.ensure_shape(tf.numpy_function(draw, [at], tf.uint8), shape)


def _with_cells(batches: tf.data.Dataset, cells: CellTargets | None) -> tf.data.Dataset:
    if cells is None:
        return batches
    return batches.map(lambda pair, targets: ((pair[0], cells(pair[1])), targets))
