"""Augmentation of training frames with variations that occur on a strip and leave the labels valid."""

from typing import Any

import tensorflow as tf

_GAIN = 0.2
_OFFSET = 20.0
_SHIFT = 0.1
_BLUR = 0.8
_DIRT_CELL_PX = 6
_DIRT_SHARE = 0.003
_DIRT_DEPTH = 30.0


def augment_frames(frames: tf.Tensor) -> tf.Tensor:
    """Randomly mirror, shift along the strip, relight, soil and blur frames.

    frames: uint8 [n, h, w, c]; the strip runs along the width. Returns frames of the same shape and type.
    """
    return _change_appearance(_move(frames))


def augment_marked(marked: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Augment frames together with the rasters of their annotations, uint8 [n, h, w, labels], which move along."""
    frames, rasters = marked
    channels = frames.shape[-1]
    moved = _move(tf.concat([frames, rasters], axis=-1))
    return _change_appearance(moved[..., :channels]), moved[..., channels:]


def _move(frames: Any) -> Any:
    return _shift(tf.image.random_flip_left_right(tf.image.random_flip_up_down(frames)))


def _change_appearance(frames: Any) -> Any:
    values = tf.cast(frames, tf.float32)
    for change in (_relight, _soil, _blur):
        values = change(values)
    return tf.cast(tf.round(tf.clip_by_value(values, 0, 255)), tf.uint8)


def _shift(frames: Any) -> Any:
    """Shift cyclically along the width, so that no defect is lost and the label stays valid."""
    width = tf.shape(frames)[2]
    furthest = tf.cast(_SHIFT * tf.cast(width, tf.float32), tf.int32)
    by = tf.random.uniform([tf.shape(frames)[0], 1], -furthest, furthest + 1, tf.int32)
    along = tf.transpose(frames, [0, 2, 1, 3])
    return tf.transpose(tf.gather(along, (tf.range(width) + by) % width, batch_dims=1), [0, 2, 1, 3])


def _relight(values: Any) -> Any:
    gain, offset = _one_each(values, 1 - _GAIN, 1 + _GAIN), _one_each(values, -_OFFSET, _OFFSET)
    mean = tf.reduce_mean(values, axis=[1, 2, 3], keepdims=True)
    return (values - mean) * gain + mean + offset


def _soil(values: Any) -> Any:
    """Add a few faint, soft, dark specks that are smaller than defects."""
    n, height, width = tf.unstack(tf.shape(values)[:3])
    cells = tf.random.uniform([n, height // _DIRT_CELL_PX + 1, width // _DIRT_CELL_PX + 1, 1])
    specks = tf.image.resize(tf.cast(cells < _DIRT_SHARE, tf.float32), [height, width])
    return values - specks * _one_each(values, 0, _DIRT_DEPTH)


def _blur(values: Any) -> Any:
    """Mix each frame with its 3x3 mean, in a random proportion."""
    share = _one_each(values, 0, _BLUR)
    return values * (1 - share) + tf.nn.avg_pool2d(values, 3, 1, "SAME") * share


def _one_each(values: Any, least: float, most: float) -> Any:
    return tf.random.uniform([tf.shape(values)[0], 1, 1, 1], least, most)
