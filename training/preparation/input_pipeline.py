"""Input pipeline: files are decoded with the worker's own function and batched, in parallel with the network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stripwatch.training.annotations.annotations import Raster, rasterise
from stripwatch.training.preparation.augment import augment_frame, move_raster
from stripwatch.training.preparation.prepared_data import Subset
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

CellTargets = Callable[[Any], Any]
Seeds = NDArray[np.int64]
FrameChange = Callable[[int, bytes], Pixels]
_Load = Callable[[Any], tuple[Any, Any]]


def read_batches(
    part: Subset,
    spec: DecodeSpec,
    batch: int,
    cells: CellTargets | None = None,
    seeds: Seeds | None = None,
    change: FrameChange | None = None,
) -> tf.data.Dataset:
    """Return batches (frames, targets) in order. frames: uint8 [n, h, w, c], decoded by the spec; targets: [n, labels].

    cells: function from annotation rasters to cell targets; the batches are then ((frames, cell targets), targets).
    seeds: [n, 2], changes each frame as augment_frame does with its seed. change: function from the position of a frame
    and its encoded image to the pixels that are used instead of the decoded ones, uint8 [h, w, c].
    """
    load, order = _loader(part, spec, cells is not None, change), tf.data.Dataset.range(len(part.files))
    if seeds is None:
        frames = order.map(load, tf.data.AUTOTUNE)
    else:
        seeded = tf.data.Dataset.zip(order, tf.data.Dataset.from_tensor_slices(seeds))
        frames = seeded.map(_augmented(load), tf.data.AUTOTUNE)
    return _with_cells(frames.batch(batch), cells).prefetch(2)


def shuffled_batches(
    part: Subset, spec: DecodeSpec, batch: int, seed: int, augment: bool, cells: CellTargets | None = None
) -> tf.data.Dataset:
    """Return the batches of read_batches in another seeded order in each epoch. augment: change the frames, too."""
    count, load = len(part.files), _loader(part, spec, cells is not None)
    order = tf.data.Dataset.range(count).shuffle(count, seed=seed)
    if augment:
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
        frames = tf.data.Dataset.zip(order, seeds).map(_augmented(load), tf.data.AUTOTUNE)
    else:
        frames = order.map(load, tf.data.AUTOTUNE)
    return _with_cells(frames.batch(batch), cells).prefetch(2)


def cell_batches(
    part: Subset, spec: DecodeSpec, batch: int, cells: CellTargets, seeds: Seeds | None = None
) -> tf.data.Dataset:
    """Return batches of cell targets only, in order, for frames whose features are already computed.

    seeds: of read_batches, if the features are those of changed frames.
    """
    load = _raster_loader(part, spec)
    if seeds is None:
        rasters = tf.data.Dataset.range(len(part.files)).map(load, tf.data.AUTOTUNE)
    else:
        seeded = tf.data.Dataset.zip(tf.data.Dataset.range(len(part.files)), tf.data.Dataset.from_tensor_slices(seeds))
        rasters = seeded.map(lambda at, seed: move_raster(load(at), seed), tf.data.AUTOTUNE)
    return rasters.batch(batch).map(cells).prefetch(2)


def _loader(part: Subset, spec: DecodeSpec, marked: bool, change: FrameChange | None = None) -> _Load:
    """Return a function from a position to frame and targets; to ((frame, raster), targets) if marked."""
    files, targets, raster = part.files, tf.constant(part.targets), _raster_loader(part, spec)

    def read(at: np.int64) -> Pixels:
        encoded = Path(files[at]).read_bytes()
        return decode(encoded, spec).pixels if change is None else change(int(at), encoded)

    def load(at: tf.Tensor) -> tuple[Any, tf.Tensor]:
        pixels = tf.ensure_shape(tf.numpy_function(read, [at], tf.uint8), spec.shape)
        return (pixels, raster(at)) if marked else pixels, targets[at]

    return load


def _augmented(load: _Load) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return a function that loads the frame at a position and changes it, with its raster, by a seed."""

    def change(at: tf.Tensor, seed: tf.Tensor) -> tuple[Any, Any]:
        loaded, targets = load(at)
        if not isinstance(loaded, tuple):
            return augment_frame(loaded, seed), targets
        frame, raster = loaded
        return (augment_frame(frame, seed), move_raster(raster, seed)), targets

    return change


def _raster_loader(part: Subset, spec: DecodeSpec) -> Callable[[tf.Tensor], tf.Tensor]:
    def draw(at: np.int64) -> Raster:
        return rasterise(part.annotations[at], part.labels, spec.height_px, spec.width_px)

    shape = (spec.height_px, spec.width_px, len(part.labels))
    return lambda at: tf.ensure_shape(tf.numpy_function(draw, [at], tf.uint8), shape)


def _with_cells(batches: tf.data.Dataset, cells: CellTargets | None) -> tf.data.Dataset:
    if cells is None:
        return batches
    return batches.map(lambda pair, targets: ((pair[0], cells(pair[1])), targets))
