"""Augmentation of training frames with variations that occur on a strip and leave the labels valid.

Random numbers depend on a seed only, so a changed copy of a frame is the same in every process.
"""

from typing import Any

import tensorflow as tf

AUGMENTATION_VERSION = 1  # names cached features of changed frames; raise it when a change differs
_GAIN = 0.2
_OFFSET = 20.0
_SHIFT = 0.1
_BLUR = 0.8
_DIRT_CELL_PX = 6
_DIRT_SHARE = 0.003
_DIRT_DEPTH = 30.0
_MIRRORED_SHARE = 0.5


class _Draws:
    """Random numbers of one frame. seed: integers [2]."""

    def __init__(self, seed: tf.Tensor) -> None:
        self._seed = seed
        self._drawn = 0

    def uniform(self, least: Any, most: Any, shape: Any = (), dtype: tf.DType = tf.float32) -> Any:
        """Return numbers from least up to, but not including, most; each call returns other ones."""
        self._drawn += 1
        seed = tf.random.experimental.stateless_fold_in(self._seed, self._drawn)
        return tf.random.stateless_uniform(shape, seed, least, most, dtype)


def augment_frame(frame: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Randomly mirror, shift along the strip, relight, soil and blur a frame.

    frame: uint8 [h, w, c]; the strip runs along the width. seed: integers [2] that determine the change. Returns a
    frame of the same shape and type.
    """
    draws = _Draws(seed)
    return _change_appearance(_move(frame, draws), draws)


def move_raster(raster: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirror and shift the raster of a frame's annotations as augment_frame does with the frame and this seed.

    raster: uint8 [h, w, labels].
    """
    return _move(raster, _Draws(seed))


def _move(frame: Any, draws: _Draws) -> Any:
    for axis in (0, 1):
        frame = tf.where(draws.uniform(0, 1) < _MIRRORED_SHARE, tf.reverse(frame, [axis]), frame)
    return _shift(frame, draws)


def _change_appearance(frame: Any, draws: _Draws) -> Any:
    values = tf.cast(frame, tf.float32)
    for change in (_relight, _soil, _blur):
        values = change(values, draws)
    return tf.cast(tf.round(tf.clip_by_value(values, 0, 255)), tf.uint8)


def _shift(frame: Any, draws: _Draws) -> Any:
    """Shift cyclically along the width, so that no defect is lost and the label stays valid."""
    furthest = tf.cast(_SHIFT * tf.cast(tf.shape(frame)[1], tf.float32), tf.int32)
    return tf.roll(frame, draws.uniform(-furthest, furthest + 1, dtype=tf.int32), axis=1)


def _relight(values: Any, draws: _Draws) -> Any:
    gain, offset = draws.uniform(1 - _GAIN, 1 + _GAIN), draws.uniform(-_OFFSET, _OFFSET)
    mean = tf.reduce_mean(values)
    return (values - mean) * gain + mean + offset


def _soil(values: Any, draws: _Draws) -> Any:
    """Add a few faint, soft, dark specks that are smaller than defects."""
    height, width = tf.unstack(tf.shape(values)[:2])
    cells = draws.uniform(0, 1, (height // _DIRT_CELL_PX + 1, width // _DIRT_CELL_PX + 1, 1))
    specks = tf.image.resize(tf.cast(cells < _DIRT_SHARE, tf.float32), [height, width])
    return values - specks * draws.uniform(0, _DIRT_DEPTH)


def _blur(values: Any, draws: _Draws) -> Any:
    """Mix a frame with its 3x3 mean, in a random proportion."""
    share = draws.uniform(0, _BLUR)
    return values * (1 - share) + tf.nn.avg_pool2d(values[None], 3, 1, "SAME")[0] * share
