"""Files to batches, read with the worker's own decode, in parallel with the network."""

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


def read_batches(part: Subset, spec: DecodeSpec, batch: int, places: CellTargets | None = None) -> tf.data.Dataset:
    """Batches (frames, targets) in order. frames: uint8 [n, h, w, c] as the spec says; targets: one row a file.

    places: the batches are ((frames, place targets), targets), with what it makes of the part's marks.
    """
    batches = _decoded(tf.data.Dataset.range(len(part.files)), part, spec, places is not None).batch(batch)
    return _with_cells(batches, places).prefetch(2)


def shuffled_batches(
    part: Subset, spec: DecodeSpec, batch: int, seed: int, augment: bool, places: CellTargets | None = None
) -> tf.data.Dataset:
    """The same in a new order each epoch, seeded; with augment each frame is changed as a strip might show it."""
    count = len(part.files)
    shuffled = tf.data.Dataset.range(count).shuffle(count, seed=seed)
    batches = _decoded(shuffled, part, spec, places is not None).batch(batch)
    if augment:
        change = augment_frames if places is None else augment_marked
        batches = batches.map(lambda frames, targets: (change(frames), targets))  # one thread: the seed holds
    return _with_cells(batches, places).prefetch(2)


def cell_batches(part: Subset, spec: DecodeSpec, batch: int, places: CellTargets) -> tf.data.Dataset:
    """The place targets alone, in order, for frames whose features are known already."""
    rasters = tf.data.Dataset.range(len(part.files)).map(_raster_loader(part, spec), tf.data.AUTOTUNE)
    return rasters.batch(batch).map(places).prefetch(2)


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


def _with_cells(batches: tf.data.Dataset, places: CellTargets | None) -> tf.data.Dataset:
    if places is None:
        return batches
    return batches.map(lambda pair, targets: ((pair[0], places(pair[1])), targets))
