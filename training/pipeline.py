"""Files to batches, read with the worker's own decode, in parallel with the network."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from training.augment import augment_frames
from worker.decode import DecodeSpec, Pixels, decode


def read_batches(files: Sequence[Path], targets: NDArray[np.float32], spec: DecodeSpec, batch: int) -> tf.data.Dataset:
    """Batches (frames, targets) in order. frames: uint8 [n, h, w, c] as the spec says; targets: one row a file."""
    return _decoded(tf.data.Dataset.from_tensor_slices(_slices(files, targets)), spec).batch(batch).prefetch(2)


def shuffled_batches(
    files: Sequence[Path], targets: NDArray[np.float32], spec: DecodeSpec, batch: int, seed: int, augment: bool
) -> tf.data.Dataset:
    """The same in a new order each epoch, seeded; with augment each frame is changed as a strip might show it."""
    shuffled = tf.data.Dataset.from_tensor_slices(_slices(files, targets)).shuffle(len(files), seed=seed)
    batches = _decoded(shuffled, spec).batch(batch)
    if augment:
        batches = batches.map(lambda frames, targets: (augment_frames(frames), targets))  # one thread: the seed holds
    return batches.prefetch(2)


def _slices(files: Sequence[Path], targets: NDArray[np.float32]) -> tuple[list[str], NDArray[np.float32]]:
    return [str(file) for file in files], targets


def _decoded(dataset: tf.data.Dataset, spec: DecodeSpec) -> tf.data.Dataset:
    def read(file: bytes) -> Pixels:
        return decode(Path(file.decode()).read_bytes(), spec).pixels

    def load(file: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pixels = tf.numpy_function(read, [file], tf.uint8)
        return tf.ensure_shape(pixels, spec.shape), target

    return dataset.map(load, num_parallel_calls=tf.data.AUTOTUNE)
